-- Purpose: what is kept of a consumer, the bins of the window (their starts as seconds since 1970), its spenders, and
-- the time now.

WITH clock AS MATERIALIZED (
    SELECT coalesce(%(now)s::timestamptz, clock_timestamp()) AS moment
),

used AS (
    SELECT
        array_agg(extract(EPOCH FROM ledger.bin)::bigint) AS bins,
        array_agg(ledger.requests) AS requests
    FROM integration.request_ledger AS ledger
    WHERE
        ledger.consumer = %(consumer)s
        AND ledger.bin > (SELECT clock.moment FROM clock) - make_interval(secs => %(window)s)
),

shares AS (
    SELECT
        jsonb_object_agg(
            share.spender,
            jsonb_build_object(
                'seen_at', share.seen_at, 'wanted', share.wanted, 'bins', share.bins, 'requests', share.requests
            )
        ) AS spenders
    FROM integration.request_shares AS share
    WHERE share.consumer = %(consumer)s
)

SELECT
    clock.moment,
    budgets.stated_limit,
    budgets.stated_at,
    budgets.paused_at,
    budgets.paused_until,
    coalesce(budgets.pauses_in_a_row, 0) AS pauses_in_a_row,
    coalesce(used.bins, '{}') AS bins,
    coalesce(used.requests, '{}') AS requests,
    coalesce(shares.spenders, '{}') AS spenders
FROM clock
CROSS JOIN used
CROSS JOIN shares
LEFT JOIN integration.request_budgets AS budgets ON budgets.consumer = %(consumer)s;
