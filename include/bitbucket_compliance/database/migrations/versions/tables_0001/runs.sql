-- Purpose: runs and their steps, the lease that keeps two runs of a workspace apart, and what people were told of.

CREATE TABLE integration.runs (
    run_id text PRIMARY KEY,
    workspace text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz,
    status text NOT NULL DEFAULT 'running'
    CHECK (status IN ('running', 'published', 'gate_failed', 'failed', 'superseded')),
    quality text CHECK (quality IN ('passed', 'passed_with_warnings', 'failed')),
    full_refresh boolean NOT NULL DEFAULT false,
    policy_version text NOT NULL,
    repositories integer,
    requests_spent integer,
    scopes_granted text[],
    coverage jsonb,
    error text,
    identity_role text,
    bases_available jsonb,
    plan jsonb,
    repositories_read integer,
    repositories_left integer,
    data_docs jsonb,
    kind text NOT NULL DEFAULT 'polling' CHECK (kind IN ('polling', 'events')),
    events integer,
    judges_all boolean NOT NULL DEFAULT true,
    staged_at timestamptz,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX runs_by_workspace ON integration.runs (workspace, started_at DESC);
COMMENT ON TABLE integration.runs IS 'One row a run of one workspace; compliance.runs shows it.';
COMMENT ON COLUMN integration.runs.identity_role IS
'Role of the connection''s identity in the workspace; null where Bitbucket did not tell.';
COMMENT ON COLUMN integration.runs.bases_available IS
'By test and basis: null where it can be decided, else what is missing ("scope repository:admin").';
COMMENT ON COLUMN integration.runs.plan IS
'Repositories to read by cause, requests estimated, what the budget allows, and whether the workspace is too large for it.';
COMMENT ON COLUMN integration.runs.data_docs IS
'By gate, the address of the page that shows its expectations and the rows that broke them; null: none was written, or it was cleared away.';
COMMENT ON COLUMN integration.runs.kind IS 'polling: everything that is due; events: what webhooks announced.';
COMMENT ON COLUMN integration.runs.events IS 'Events that the run answers; null: it has not looked for any yet.';
COMMENT ON COLUMN integration.runs.judges_all IS 'Whether every subject is judged; else those of judged.subjects.';
COMMENT ON COLUMN integration.runs.staged_at IS
'When what the run read was last staged: gates answer for that, and for nothing that was staged later.';
COMMENT ON COLUMN integration.runs.opened_at IS
'When the row was written, by the server''s clock: clocks of two workers may differ, the order of two runs may not.';

CREATE TABLE integration.publications (
    workspace text NOT NULL,
    published_at timestamptz NOT NULL,
    run_id text,
    intervals_opened bigint NOT NULL,
    intervals_ended bigint NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace, published_at)
);
COMMENT ON TABLE integration.publications IS
'Every instant at which results of a workspace changed, written by integration.note_publication alone. History that no row here explains was written by somebody else; a gate says so.';
COMMENT ON COLUMN integration.publications.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.publications.published_at IS 'The instant that begins and ends intervals of compliance.result_history.';
COMMENT ON COLUMN integration.publications.run_id IS 'The run that published; null: exceptions changed between two runs.';
COMMENT ON COLUMN integration.publications.intervals_opened IS 'Intervals that begin at the instant.';
COMMENT ON COLUMN integration.publications.intervals_ended IS 'Intervals that end at the instant.';
COMMENT ON COLUMN integration.publications.noted_at IS 'When the row was written, by the server''s clock.';

CREATE TABLE integration.history_moves (
    workspace text NOT NULL,
    day date NOT NULL,
    test_id text NOT NULL,
    severity text NOT NULL,
    status text NOT NULL,
    bypassed boolean NOT NULL,
    subjects bigint NOT NULL,
    stale bigint NOT NULL,
    PRIMARY KEY (workspace, day, test_id, severity, status, bypassed)
);
COMMENT ON TABLE integration.history_moves IS
'How many intervals of compliance.result_history began on each day (UTC), less those that ended on it: the sum of all days until one is how many subjects stood so at its end. Written by triggers of that table and of compliance.stale_records alone; what lies before the days that retention keeps is one day.';
COMMENT ON COLUMN integration.history_moves.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.history_moves.day IS 'The day, in UTC.';
COMMENT ON COLUMN integration.history_moves.test_id IS 'Test; see tests.';
COMMENT ON COLUMN integration.history_moves.severity IS 'Severity of the intervals.';
COMMENT ON COLUMN integration.history_moves.status IS
'Their status; subjects that are gone and tests that are switched off are left out.';
COMMENT ON COLUMN integration.history_moves.bypassed IS 'Whether merges went around a rule that was in force.';
COMMENT ON COLUMN integration.history_moves.subjects IS 'Begun less ended.';
COMMENT ON COLUMN integration.history_moves.stale IS
'Of these, how many began to be past their freshness (compliance.stale_records), less those that ended to.';

CREATE TABLE integration.run_steps (
    run_id text NOT NULL,
    workspace text NOT NULL,
    step text NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL
);
CREATE INDEX run_steps_by_run ON integration.run_steps (run_id);
COMMENT ON TABLE integration.run_steps IS 'When each task body worked, so that Airflow''s own share of a run can be told.';

CREATE TABLE integration.workspace_leases (
    workspace text PRIMARY KEY,
    run_id text NOT NULL,
    renewed_at timestamptz NOT NULL,
    waits_until timestamptz,
    dag_id text
);
COMMENT ON TABLE integration.workspace_leases IS
'The run that may write for a workspace. A task of any other run of it stops before it writes.';
COMMENT ON COLUMN integration.workspace_leases.dag_id IS
'The DAG whose run it is in Airflow, which can be asked whether it has ended; null: no scheduler stands behind the run.';
COMMENT ON COLUMN integration.workspace_leases.waits_until IS
'Until when the run holds no worker because it waits for requests; null while it works.';

CREATE TABLE integration.workspace_renamings (
    workspace_id text NOT NULL,
    old_slug text NOT NULL,
    new_slug text NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE integration.workspace_renamings IS
'When a run noticed that a workspace is called otherwise; all that is kept of it goes by the new slug since.';

CREATE TABLE integration.notifications_sent (
    conn_id text NOT NULL,
    change_key text NOT NULL,
    workspace text NOT NULL,
    occurred_at timestamptz NOT NULL,
    told boolean NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (conn_id, change_key)
);
COMMENT ON TABLE integration.notifications_sent IS
'Each change that was told through an Airflow connection, once; told is false for what was there before the connection was first used. Rows are only ever added, and go with the history that they are of.';

-- A run is a record: it is ended, never taken back.
GRANT SELECT, INSERT, UPDATE ON TABLE integration.runs TO compliance_pipeline;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE integration.run_steps, integration.workspace_leases
TO compliance_pipeline;
GRANT SELECT ON TABLE integration.run_steps, integration.workspace_leases TO compliance_console;
GRANT SELECT ON TABLE integration.publications, integration.history_moves, integration.workspace_renamings
TO compliance_pipeline, compliance_console;
GRANT SELECT, INSERT (conn_id, change_key, workspace, occurred_at, told) ON TABLE integration.notifications_sent
TO compliance_pipeline;
