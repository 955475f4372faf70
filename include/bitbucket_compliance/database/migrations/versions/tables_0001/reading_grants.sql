-- Purpose: which logins read which workspaces, and of which period: for auditors and for readers of single workspaces.

CREATE SCHEMA granted;
COMMENT ON SCHEMA granted IS
'The published contract, of the workspaces and the period that were granted to the login that asks; views and functions, no tables.';
GRANT USAGE ON SCHEMA granted TO compliance_auditor, compliance_limited_reader;

CREATE TABLE registry.reading_grants (
    grant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login text NOT NULL CHECK (btrim(login) <> ''),
    workspace text NOT NULL,
    first_day date,
    last_day date,
    granted_by registry.person NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT statement_timestamp(),
    CHECK (last_day >= first_day)
);
COMMENT ON TABLE registry.reading_grants IS
'What a login with the role compliance_auditor or compliance_limited_reader may read. Rows are added, never changed; reading_grant_endings ends them.';
COMMENT ON COLUMN registry.reading_grants.login IS 'Name of the login in Postgres.';
COMMENT ON COLUMN registry.reading_grants.workspace IS 'Workspace slug.';
COMMENT ON COLUMN registry.reading_grants.first_day IS 'First day (UTC) of the period; null: from the beginning.';
COMMENT ON COLUMN registry.reading_grants.last_day IS 'Last day (UTC) of it; null: without end.';
COMMENT ON COLUMN registry.reading_grants.granted_by IS 'Who granted it.';
COMMENT ON COLUMN registry.reading_grants.granted_at IS 'When.';

CREATE TABLE registry.reading_grant_endings (
    grant_id bigint PRIMARY KEY REFERENCES registry.reading_grants,
    ended_by registry.person NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT statement_timestamp()
);
COMMENT ON TABLE registry.reading_grant_endings IS 'Which of them were taken back, by whom and when.';

GRANT SELECT, INSERT (login, workspace, first_day, last_day, granted_by) ON registry.reading_grants
TO compliance_pipeline;
GRANT SELECT, INSERT (grant_id, ended_by) ON registry.reading_grant_endings TO compliance_pipeline;
