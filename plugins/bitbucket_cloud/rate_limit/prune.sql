-- Purpose: delete bins and spenders older than 25 hours, of any consumer; rows that another process is deleting are
-- left to it.

WITH gone AS (
    DELETE FROM integration.request_shares AS shares
    USING (
        SELECT
            old.consumer,
            old.spender
        FROM integration.request_shares AS old
        WHERE old.seen_at < coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '25 hours'
        FOR UPDATE SKIP LOCKED
    ) AS past
    WHERE shares.consumer = past.consumer AND shares.spender = past.spender
)

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
