-- Purpose: keep what changed of a consumer: the requests of bins, the stated limit and the pause.

WITH booked AS (
    INSERT INTO integration.request_ledger (consumer, bin, requests)
    SELECT
        %(consumer)s,
        changed.bin,
        changed.requests
    FROM unnest(%(bins)s::timestamptz[], %(requests)s::int[]) AS changed (bin, requests)
    ON CONFLICT (consumer, bin) DO UPDATE SET requests = excluded.requests
)

UPDATE integration.request_budgets AS budgets
SET
    stated_limit = %(stated_limit)s,
    stated_at = %(stated_at)s,
    paused_at = %(paused_at)s,
    paused_until = %(paused_until)s,
    pauses_in_a_row = %(pauses_in_a_row)s
WHERE budgets.consumer = %(consumer)s;
