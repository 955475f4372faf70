-- Purpose: what a consumer's row holds and what time it is now, without locking it; no row where it was never used.

SELECT
    coalesce(%(now)s::timestamptz, clock_timestamp()) AS moment,
    budgets.stated_limit,
    budgets.stated_at,
    budgets.paused_at,
    budgets.paused_until,
    budgets.pauses_in_a_row
FROM integration.request_budgets AS budgets
WHERE budgets.consumer = %(consumer)s;
