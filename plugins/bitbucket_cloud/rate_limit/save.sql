-- Purpose: keep what changed of a consumer: the requests of bins, what spenders sent and want, the stated limit and the
-- pause.

WITH booked AS (
    INSERT INTO integration.request_ledger (consumer, bin, requests)
    SELECT
        %(consumer)s,
        changed.bin,
        changed.requests
    FROM unnest(%(bins)s::timestamptz[], %(requests)s::int[]) AS changed (bin, requests)
    ON CONFLICT (consumer, bin) DO UPDATE SET requests = excluded.requests
),

shared AS (
    INSERT INTO integration.request_shares (consumer, spender, seen_at, wanted, bins, requests)
    SELECT
        %(consumer)s,
        changed.spender,
        changed.seen_at,
        changed.wanted,
        changed.bins,
        changed.requests
    FROM
        jsonb_to_recordset(%(spenders)s::jsonb)
            AS changed (spender text, seen_at timestamptz, wanted int, bins bigint[], requests int[])
    ON CONFLICT (consumer, spender) DO UPDATE
        SET seen_at = excluded.seen_at, wanted = excluded.wanted, bins = excluded.bins, requests = excluded.requests
)

UPDATE integration.request_budgets AS budgets
SET
    stated_limit = %(stated_limit)s,
    stated_at = %(stated_at)s,
    paused_at = %(paused_at)s,
    paused_until = %(paused_until)s,
    pauses_in_a_row = %(pauses_in_a_row)s
WHERE budgets.consumer = %(consumer)s;
