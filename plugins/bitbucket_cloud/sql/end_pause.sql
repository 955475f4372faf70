-- Purpose: a request that left after the pause began was answered: the next pause is a first one again.

UPDATE integration.request_budgets AS budgets
SET paused_until = null, pauses_in_a_row = 0
WHERE
    budgets.consumer = %(consumer)s
    AND budgets.pauses_in_a_row > 0
    AND budgets.paused_at <= coalesce(%(now)s::timestamptz, clock_timestamp()) - make_interval(secs => %(ago)s);
