-- Purpose: the vault of the Bitbucket connections: their tokens and the secrets of their webhooks, encrypted, behind a
-- role of its own. Tables and view belong to compliance_vault, so that nobody reaches a secret by owning the schema.

GRANT CREATE ON SCHEMA integration TO compliance_vault;
SET LOCAL ROLE compliance_vault;

CREATE TABLE integration.token_vault (
    conn_id text PRIMARY KEY,
    consumer text NOT NULL,
    access_token text NOT NULL,
    refresh_token text NOT NULL,
    expires_at timestamptz NOT NULL,
    scopes text[],
    status text NOT NULL CHECK (status IN ('connected', 'needs_reconnect')),
    status_reason text CHECK ((status_reason IS null) = (status = 'connected')),
    status_since timestamptz NOT NULL,
    connected_by text NOT NULL,
    connected_at timestamptz NOT NULL,
    refreshed_at timestamptz,
    refreshes bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE integration.token_vault IS
'OAuth tokens of each connection with grant authorization_code, encrypted outside the database; the row lock keeps two
refreshes apart. Read and written as compliance_vault alone.';
COMMENT ON COLUMN integration.token_vault.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.token_vault.consumer IS 'Key of the OAuth consumer that the tokens were given to.';
COMMENT ON COLUMN integration.token_vault.access_token IS
'Access token (Fernet); its plain text also names connection, consumer and hosts, so that rows cannot be swapped.';
COMMENT ON COLUMN integration.token_vault.refresh_token IS 'Refresh token (Fernet), single use; bound in the same way.';
COMMENT ON COLUMN integration.token_vault.expires_at IS 'When the access token expires, as Bitbucket stated it.';
COMMENT ON COLUMN integration.token_vault.scopes IS 'Scopes granted, as Bitbucket listed them; null: it did not tell.';
COMMENT ON COLUMN integration.token_vault.status IS
'connected, or needs_reconnect: the grant is lost, and nobody asks for tokens until a person connects again.';
COMMENT ON COLUMN integration.token_vault.status_reason IS 'Why it needs reconnecting, as a sentence; null while connected.';
COMMENT ON COLUMN integration.token_vault.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN integration.token_vault.connected_by IS 'Who gave the consent.';
COMMENT ON COLUMN integration.token_vault.connected_at IS 'When.';
COMMENT ON COLUMN integration.token_vault.refreshed_at IS 'When the tokens were last refreshed; null: not since connected_at.';
COMMENT ON COLUMN integration.token_vault.refreshes IS 'Refreshes since connected_at.';

CREATE TABLE integration.webhook_secrets (
    secret_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conn_id text NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_until timestamptz
);
CREATE UNIQUE INDEX webhook_secrets_one_current ON integration.webhook_secrets (conn_id) WHERE accepted_until IS null;
COMMENT ON TABLE integration.webhook_secrets IS
'The secrets that Bitbucket signs deliveries with, one current a connection; an earlier one is accepted for a while after it was rotated.';
COMMENT ON COLUMN integration.webhook_secrets.secret_id IS 'Which one; integration.webhooks says which of them a webhook was given.';
COMMENT ON COLUMN integration.webhook_secrets.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.webhook_secrets.sealed IS 'The secret (Fernet), bound to its connection.';
COMMENT ON COLUMN integration.webhook_secrets.created_at IS 'When it was made.';
COMMENT ON COLUMN integration.webhook_secrets.accepted_until IS 'Until when it is accepted still; null: the current one.';

-- The receiver reads what deliveries are signed with, and nothing else of the vault.
GRANT SELECT ON TABLE integration.webhook_secrets TO compliance_receiver;

SET LOCAL ROLE compliance_owner;
REVOKE CREATE ON SCHEMA integration FROM compliance_vault;

CREATE TABLE integration.connection_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conn_id text NOT NULL,
    event text NOT NULL CHECK (event IN (
        'connected',
        'refresh_started',
        'refreshed',
        'refused',
        'failed',
        'needs_reconnect',
        'rotated',
        'disconnected'
    )),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    detail text
);
CREATE INDEX connection_events_by_connection ON integration.connection_events (conn_id, event_id DESC);
COMMENT ON TABLE integration.connection_events IS
'What happened to each connection with grant authorization_code; rows are added, never changed.';
COMMENT ON COLUMN integration.connection_events.event_id IS 'Order of the events.';
COMMENT ON COLUMN integration.connection_events.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.connection_events.event IS
'connected, refresh_started, refreshed, refused (Bitbucket refused consumer or grant), failed (the request surely left the
grant as it was), needs_reconnect, rotated (encrypted with another key) or disconnected. A refresh_started with none of
connected, refreshed, refused or failed behind it was interrupted, or had no proper answer.';
COMMENT ON COLUMN integration.connection_events.at IS 'When.';
COMMENT ON COLUMN integration.connection_events.detail IS 'By whom or why, as a sentence; never a secret.';

GRANT SELECT, INSERT (conn_id, event, detail) ON TABLE integration.connection_events TO compliance_vault;
GRANT SELECT ON TABLE integration.connection_events TO compliance_pipeline, compliance_console;
