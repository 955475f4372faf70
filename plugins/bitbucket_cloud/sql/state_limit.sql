-- Purpose: keep the limit that Bitbucket's headers state for a consumer.

UPDATE integration.request_budgets AS budgets
SET stated_limit = %(limit)s, stated_at = %(moment)s
WHERE budgets.consumer = %(consumer)s;
