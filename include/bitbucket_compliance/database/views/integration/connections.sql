-- Purpose: which connections are connected, since when and by whom; without their tokens.
-- It belongs to compliance_vault, which alone may read the tokens; compliance_owner is what a single login acts as.

GRANT CREATE ON SCHEMA integration TO compliance_vault;
SET LOCAL ROLE compliance_vault;

CREATE VIEW integration.connections AS
SELECT
    conn_id,
    status,
    status_reason,
    status_since,
    scopes,
    connected_by,
    connected_at,
    refreshed_at,
    expires_at
FROM integration.token_vault;

COMMENT ON VIEW integration.connections IS 'Which connections are connected, since when and by whom; no tokens.';
COMMENT ON COLUMN integration.connections.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.connections.status IS 'connected or needs_reconnect.';
COMMENT ON COLUMN integration.connections.status_reason IS 'Why it needs reconnecting, as a sentence; null while connected.';
COMMENT ON COLUMN integration.connections.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN integration.connections.scopes IS 'Scopes granted, as Bitbucket listed them; null: it did not tell.';
COMMENT ON COLUMN integration.connections.connected_by IS 'Who gave the consent.';
COMMENT ON COLUMN integration.connections.connected_at IS 'When.';
COMMENT ON COLUMN integration.connections.refreshed_at IS 'When the tokens were last refreshed; null: not since connected_at.';
COMMENT ON COLUMN integration.connections.expires_at IS 'When the access token expires; it is renewed ahead of that.';

GRANT SELECT ON TABLE integration.connections TO compliance_owner, compliance_pipeline, compliance_console;

SET LOCAL ROLE compliance_owner;
REVOKE CREATE ON SCHEMA integration FROM compliance_vault;
