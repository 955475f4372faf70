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

CREATE TABLE integration.request_shares (
    consumer text NOT NULL,
    spender text NOT NULL,
    seen_at timestamptz NOT NULL,
    wanted int CHECK (wanted >= 0),
    bins bigint[] NOT NULL DEFAULT '{}',
    requests int[] NOT NULL DEFAULT '{}',
    PRIMARY KEY (consumer, spender)
);
COMMENT ON TABLE integration.request_shares IS
'What each spender, a workspace, has booked of a consumer''s rolling hour and still means to send: its share follows from that.';
COMMENT ON COLUMN integration.request_shares.consumer IS 'As in request_ledger.';
COMMENT ON COLUMN integration.request_shares.spender IS 'On whose behalf requests are sent.';
COMMENT ON COLUMN integration.request_shares.seen_at IS
'When it last asked for requests; a share is kept for 90 minutes after that.';
COMMENT ON COLUMN integration.request_shares.wanted IS 'Requests that it still means to send; null: not known yet.';
COMMENT ON COLUMN integration.request_shares.bins IS 'Starts of the ten seconds in which it booked, in seconds since 1970.';
COMMENT ON COLUMN integration.request_shares.requests IS 'Requests booked in each of them.';

CREATE TABLE integration.refused_listings (
    consumer text,
    path text,
    most_pages int NOT NULL,
    refused_at timestamptz NOT NULL,
    PRIMARY KEY (consumer, path)
);
COMMENT ON TABLE integration.refused_listings IS
'Listings of Bitbucket that had more pages than any may have: none is asked for again within a day.';
COMMENT ON COLUMN integration.refused_listings.consumer IS 'As in request_ledger.';
COMMENT ON COLUMN integration.refused_listings.path IS 'Path of the listing, below /2.0.';
COMMENT ON COLUMN integration.refused_listings.most_pages IS
'How many pages it may have had; where more are allowed since, it is asked for again.';
COMMENT ON COLUMN integration.refused_listings.refused_at IS 'When it was given up.';

CREATE TABLE integration.key_origins (
    consumer_key text PRIMARY KEY,
    api_origin text NOT NULL,
    oauth_origin text NOT NULL,
    bound_at timestamptz NOT NULL
);
COMMENT ON TABLE integration.key_origins IS
'Where the secrets of a connection that is stored in Airflow went when Bitbucket first took them: they go nowhere else,
whatever the connection says later.';
COMMENT ON COLUMN integration.key_origins.consumer_key IS
'OAuth key, or the first 16 hex digits of the access token''s SHA-256.';
COMMENT ON COLUMN integration.key_origins.api_origin IS 'Scheme, host and port of the API.';
COMMENT ON COLUMN integration.key_origins.oauth_origin IS 'Scheme, host and port that gives out tokens.';
COMMENT ON COLUMN integration.key_origins.bound_at IS 'When.';

GRANT SELECT, INSERT, UPDATE ON TABLE integration.refused_listings, integration.key_origins
TO compliance_pipeline, compliance_console;
GRANT DELETE ON TABLE integration.refused_listings TO compliance_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE
ON TABLE integration.request_ledger, integration.request_budgets, integration.request_shares
TO compliance_pipeline, compliance_console;
