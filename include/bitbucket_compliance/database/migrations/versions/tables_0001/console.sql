-- Purpose: what the console keeps: its audit trail and the consents under way.

CREATE TABLE integration.console_audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor <> ''),
    action text NOT NULL CHECK (action <> ''),
    subject text NOT NULL,
    before jsonb,
    after jsonb
);
CREATE INDEX console_audit_by_subject ON integration.console_audit (subject, audit_id DESC);
CREATE INDEX console_audit_by_actor ON integration.console_audit (actor, audit_id DESC);
COMMENT ON TABLE integration.console_audit IS
'Who did what in the console or by a command, and what it was before and after; rows are added, never changed.';
COMMENT ON COLUMN integration.console_audit.audit_id IS 'Order of the entries.';
COMMENT ON COLUMN integration.console_audit.at IS 'When.';
COMMENT ON COLUMN integration.console_audit.actor IS 'The person, as airflow:login or os:login.';
COMMENT ON COLUMN integration.console_audit.action IS 'What was done, as object.verb: connection.connected, evidence.accepted.';
COMMENT ON COLUMN integration.console_audit.subject IS 'To what: an id or a name, as the pages show it.';
COMMENT ON COLUMN integration.console_audit.before IS 'What held before, as far as the action concerns it; null: nothing did. Never a secret.';
COMMENT ON COLUMN integration.console_audit.after IS 'What holds since; null: nothing does. Never a secret.';

CREATE TABLE integration.oauth_states (
    state_hash text PRIMARY KEY,
    conn_id text NOT NULL,
    login text NOT NULL,
    redirect_uri text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    used_at timestamptz
);
COMMENT ON TABLE integration.oauth_states IS
'People who were sent to Bitbucket to consent; each state is taken once, within ten minutes, by the login it was made for.';
COMMENT ON COLUMN integration.oauth_states.state_hash IS 'SHA-256 of the state, hex; the state itself is kept nowhere.';
COMMENT ON COLUMN integration.oauth_states.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.oauth_states.login IS 'Airflow login that it is bound to.';
COMMENT ON COLUMN integration.oauth_states.redirect_uri IS 'Where Bitbucket was asked to send the person back to.';
COMMENT ON COLUMN integration.oauth_states.created_at IS 'When; it counts for ten minutes.';
COMMENT ON COLUMN integration.oauth_states.used_at IS 'When it came back; null: not yet. It is good for nothing after that.';

-- Who adds to the trail does not say when: the server's clock does.
GRANT SELECT, INSERT (actor, action, subject, before, after) ON TABLE integration.console_audit TO compliance_console;
GRANT INSERT (actor, action, subject, before, after) ON TABLE integration.console_audit TO compliance_pipeline;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON TABLE integration.oauth_states TO compliance_console;
