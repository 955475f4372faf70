-- Purpose: forget bins older than 25 hours, of any consumer; rows that somebody else forgets just now are theirs.

DELETE FROM integration.request_ledger AS ledger
USING (
    SELECT
        old.consumer,
        old.bin
    FROM integration.request_ledger AS old
    WHERE old.bin < %(moment)s::timestamptz - interval '25 hours'
    FOR UPDATE SKIP LOCKED
) AS past
WHERE ledger.consumer = past.consumer AND ledger.bin = past.bin;
