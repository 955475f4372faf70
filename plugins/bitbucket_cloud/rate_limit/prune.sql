-- Purpose: delete bins older than 25 hours, of any consumer; rows that another process is deleting are left to it.

DELETE FROM integration.request_ledger AS ledger
USING (
    SELECT
        old.consumer,
        old.bin
    FROM integration.request_ledger AS old
    WHERE old.bin < coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '25 hours'
    FOR UPDATE SKIP LOCKED
) AS past
WHERE ledger.consumer = past.consumer AND ledger.bin = past.bin;
