-- Purpose: the request ledger and the shared pauses of each consumer.
-- The statements on these tables are the Bitbucket package's own (plugins/bitbucket_cloud/sql).

CREATE TABLE integration.request_ledger (
    consumer text NOT NULL,
    bin timestamptz NOT NULL,
    requests int NOT NULL CHECK (requests >= 0),
    PRIMARY KEY (consumer, bin)
);
COMMENT ON TABLE integration.request_ledger IS
'Requests to Bitbucket''s API, booked before they are sent, in bins of ten seconds; kept for 25 hours.';
COMMENT ON COLUMN integration.request_ledger.consumer IS
'Whom Bitbucket counts: API host with OAuth key, or with the first 16 hex digits of the token''s SHA-256.';
COMMENT ON COLUMN integration.request_ledger.bin IS 'Start of the ten seconds.';
COMMENT ON COLUMN integration.request_ledger.requests IS
'Requests booked: sent, about to be sent, or known to have been sent by other programs.';

CREATE TABLE integration.request_budgets (
    consumer text PRIMARY KEY,
    stated_limit int CHECK (stated_limit > 0),
    stated_at timestamptz,
    paused_at timestamptz,
    paused_until timestamptz,
    pauses_in_a_row int NOT NULL DEFAULT 0 CHECK (pauses_in_a_row >= 0),
    updated_at timestamptz NOT NULL,
    CHECK ((stated_limit IS null) = (stated_at IS null))
);
COMMENT ON TABLE integration.request_budgets IS
'One row a consumer, locked by whoever books requests: its limit as Bitbucket states it, and its pause after a 429.';
COMMENT ON COLUMN integration.request_budgets.consumer IS 'As in request_ledger.';
COMMENT ON COLUMN integration.request_budgets.stated_limit IS
'Requests an hour that X-RateLimit-Limit states; null: never stated (OAuth consumers never get that header).';
COMMENT ON COLUMN integration.request_budgets.stated_at IS 'When it was stated; it is believed for an hour.';
COMMENT ON COLUMN integration.request_budgets.paused_at IS
'When the newest pause began: a 429 to a request that left before it says nothing new.';
COMMENT ON COLUMN integration.request_budgets.paused_until IS 'Until when no process sends requests after a 429.';
COMMENT ON COLUMN integration.request_budgets.pauses_in_a_row IS 'Pauses since the last success.';
COMMENT ON COLUMN integration.request_budgets.updated_at IS 'When the row was last written or locked.';

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE integration.request_ledger, integration.request_budgets
TO compliance_pipeline, compliance_console;
