-- Purpose: what the console keeps: its audit trail, the consents under way, and the audit packages that were asked for.

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

CREATE TABLE integration.audit_packages (
    package_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    dag_run_id text NOT NULL UNIQUE,
    workspace text NOT NULL,
    first_day date NOT NULL,
    last_day date NOT NULL,
    seed text NOT NULL,
    framework text NOT NULL,
    people boolean NOT NULL,
    frequency text NOT NULL DEFAULT '',
    read_samples boolean NOT NULL DEFAULT false,
    requested_by text NOT NULL CHECK (requested_by <> ''),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    folder text NOT NULL,
    file text,
    bytes bigint,
    manifest_sha256 text,
    problems text[],
    error text,
    deleted_at timestamptz CHECK (deleted_at IS null OR file IS NOT null),
    CHECK (first_day <= last_day),
    CHECK ((file IS null) = (bytes IS null) AND (file IS null) = (manifest_sha256 IS null)),
    CHECK (file IS null OR error IS null),
    CHECK ((ended_at IS null) = (file IS null AND error IS null))
);
CREATE INDEX audit_packages_by_workspace ON integration.audit_packages (workspace, requested_at DESC);
COMMENT ON TABLE integration.audit_packages IS
'Audit packages that the console or a run of the DAG audit_package was asked for, and what came of each.';
COMMENT ON COLUMN integration.audit_packages.package_id IS 'Its id.';
COMMENT ON COLUMN integration.audit_packages.dag_run_id IS 'The run of audit_package that makes it, as Airflow calls it.';
COMMENT ON COLUMN integration.audit_packages.workspace IS 'Slug of the workspace.';
COMMENT ON COLUMN integration.audit_packages.first_day IS 'First day of the period, UTC.';
COMMENT ON COLUMN integration.audit_packages.last_day IS 'Last day of it, which counts.';
COMMENT ON COLUMN integration.audit_packages.seed IS 'What samples are drawn by; empty: the digest of the population.';
COMMENT ON COLUMN integration.audit_packages.framework IS 'Whose controls it shows; empty: those of all.';
COMMENT ON COLUMN integration.audit_packages.people IS 'Whether it names persons; else each is a pseudonym.';
COMMENT ON COLUMN integration.audit_packages.frequency IS
'daily, weekly or monthly, where the sample is that of a control that operates so often; empty: by the population.';
COMMENT ON COLUMN integration.audit_packages.read_samples IS 'Whether Bitbucket is asked of each sampled pull request.';
COMMENT ON COLUMN integration.audit_packages.requested_by IS 'Who asked for it, as airflow:login.';
COMMENT ON COLUMN integration.audit_packages.requested_at IS 'When.';
COMMENT ON COLUMN integration.audit_packages.ended_at IS 'When it was made, or failed; null: neither yet.';
COMMENT ON COLUMN integration.audit_packages.folder IS 'Where its zip is written, below COMPLIANCE_EXPORT_TARGET.';
COMMENT ON COLUMN integration.audit_packages.file IS 'Name of its zip there; null: it was not made.';
COMMENT ON COLUMN integration.audit_packages.bytes IS 'Size of its zip.';
COMMENT ON COLUMN integration.audit_packages.manifest_sha256 IS 'SHA-256 of its manifest, hex.';
COMMENT ON COLUMN integration.audit_packages.problems IS 'What was not as it should be in what it holds.';
COMMENT ON COLUMN integration.audit_packages.error IS 'Why it was not made.';
COMMENT ON COLUMN integration.audit_packages.deleted_at IS
'When its zip was deleted, as the policy''s packages_kept_days has it; null: it was not.';

-- Who adds to the trail does not say when: the server's clock does.
GRANT SELECT, INSERT (actor, action, subject, before, after) ON TABLE integration.console_audit TO compliance_console;
GRANT INSERT (actor, action, subject, before, after) ON TABLE integration.console_audit TO compliance_pipeline;
GRANT SELECT, INSERT, DELETE, UPDATE (used_at) ON TABLE integration.oauth_states TO compliance_console;
-- The console asks, and says where no run was started; what a run wrote and where is the run's to say.
GRANT
SELECT,
INSERT (
    package_id, dag_run_id, workspace, first_day, last_day, seed, framework, people, frequency, read_samples,
    requested_by, folder
),
UPDATE (ended_at, error)
ON TABLE integration.audit_packages TO compliance_console;
GRANT
SELECT,
INSERT (
    package_id, dag_run_id, workspace, first_day, last_day, seed, framework, people, frequency, read_samples,
    requested_by, folder
),
UPDATE (ended_at, file, bytes, manifest_sha256, problems, error, deleted_at)
ON TABLE integration.audit_packages TO compliance_pipeline;
