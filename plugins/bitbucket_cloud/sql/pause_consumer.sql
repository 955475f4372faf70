-- Purpose: a consumer pauses, in all processes.

UPDATE integration.request_budgets AS budgets
SET
    paused_at = %(moment)s,
    paused_until = %(until)s,
    pauses_in_a_row = %(pauses)s
WHERE budgets.consumer = %(consumer)s;
