-- Purpose: lock a consumer's row, creating it if need be, and say what it holds and what time it is now.
-- A statement of its own: the next one then sees what was committed while this one waited.

INSERT INTO integration.request_budgets AS budgets (consumer, updated_at)
VALUES (%(consumer)s, coalesce(%(now)s::timestamptz, clock_timestamp()))
ON CONFLICT (consumer) DO UPDATE SET updated_at = excluded.updated_at
RETURNING
    -- Not updated_at: that was taken before the wait for the row.
    coalesce(%(now)s::timestamptz, clock_timestamp()) AS moment,
    budgets.stated_limit,
    budgets.stated_at,
    budgets.paused_at,
    budgets.paused_until,
    budgets.pauses_in_a_row;
