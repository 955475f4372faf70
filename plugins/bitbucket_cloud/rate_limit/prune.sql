-- Purpose: delete bins and spenders older than 25 hours, of any consumer; rows that another process is deleting are
-- left to it.

WITH old_bins AS (
    SELECT
        old.consumer,
        old.bin
    FROM integration.request_ledger AS old
    WHERE old.bin < coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '25 hours'
    FOR UPDATE SKIP LOCKED
),

old_spenders AS (
    SELECT
        old.consumer,
        old.spender
    FROM integration.request_shares AS old
    WHERE old.seen_at < coalesce(%(now)s::timestamptz, clock_timestamp()) - interval '25 hours'
    FOR UPDATE SKIP LOCKED
),

gone AS (
    DELETE FROM integration.request_shares AS shares
    USING old_spenders
    WHERE shares.consumer = old_spenders.consumer AND shares.spender = old_spenders.spender
)

DELETE FROM integration.request_ledger AS ledger
USING old_bins
WHERE ledger.consumer = old_bins.consumer AND ledger.bin = old_bins.bin;
