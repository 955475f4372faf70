-- Purpose: how much of its hourly limit each consumer has used, and whether it pauses.

CREATE VIEW integration.request_use AS
SELECT
    budgets.consumer,
    coalesce(hour.requests, 0) AS requests,
    CASE WHEN budgets.stated_at > now() - interval '1 hour' THEN budgets.stated_limit END AS stated_limit,
    CASE WHEN budgets.paused_until > now() THEN budgets.paused_until END AS paused_until,
    budgets.pauses_in_a_row
FROM integration.request_budgets AS budgets
LEFT JOIN LATERAL (
    SELECT sum(ledger.requests) AS requests
    FROM integration.request_ledger AS ledger
    -- As the client counts: an hour, a bin, a permit's life, and a request's way to Bitbucket.
    WHERE ledger.consumer = budgets.consumer AND ledger.bin > now() - interval '3630 seconds'
) AS hour ON true;
COMMENT ON COLUMN integration.request_use.consumer IS 'As in request_ledger.';
COMMENT ON COLUMN integration.request_use.requests IS 'Requests of the last rolling hour, those about to be sent included.';
COMMENT ON COLUMN integration.request_use.stated_limit IS
'Requests an hour as Bitbucket stated them within the last hour; null: the connection''s requests_per_hour applies.';
COMMENT ON COLUMN integration.request_use.paused_until IS 'End of the pause after a 429; null: there is none now.';
COMMENT ON COLUMN integration.request_use.pauses_in_a_row IS 'Pauses since the last success.';

GRANT SELECT ON TABLE integration.request_use TO compliance_pipeline, compliance_console;
