-- Purpose: lock a consumer's row until the transaction ends; it is created if need be.

INSERT INTO integration.request_budgets AS budgets (consumer, updated_at)
VALUES (%(consumer)s, coalesce(%(now)s::timestamptz, clock_timestamp()))
ON CONFLICT (consumer) DO UPDATE SET updated_at = excluded.updated_at;
