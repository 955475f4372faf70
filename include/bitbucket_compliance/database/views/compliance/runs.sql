-- Purpose: runs with coverage, requests spent, quality verdict and scopes granted.

CREATE VIEW compliance.runs AS
SELECT
    runs.run_id,
    runs.workspace,
    runs.status,
    runs.quality,
    runs.started_at,
    runs.finished_at,
    runs.repositories,
    runs.requests_spent,
    round(runs.requests_spent::numeric / nullif(runs.repositories, 0), 2) AS requests_per_repository,
    runs.coverage,
    runs.scopes_granted,
    runs.policy_version,
    runs.full_refresh,
    runs.error,
    runs.identity_role,
    runs.bases_available,
    runs.plan,
    runs.repositories_read,
    runs.repositories_left,
    runs.data_docs,
    runs.kind,
    runs.events,
    workspaces.workspace_id
FROM integration.runs AS runs
LEFT JOIN staging.workspaces AS workspaces ON runs.workspace = workspaces.workspace;

COMMENT ON VIEW compliance.runs IS 'Runs with coverage, requests spent, quality verdict and scopes granted.';
COMMENT ON COLUMN compliance.runs.run_id IS 'Airflow''s run id.';
COMMENT ON COLUMN compliance.runs.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.runs.workspace_id IS 'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.runs.status IS 'running, published, gate_failed, failed or superseded.';
COMMENT ON COLUMN compliance.runs.quality IS 'passed, passed_with_warnings or failed.';
COMMENT ON COLUMN compliance.runs.started_at IS 'Start of the run.';
COMMENT ON COLUMN compliance.runs.finished_at IS 'End of the run.';
COMMENT ON COLUMN compliance.runs.repositories IS 'Repositories listed.';
COMMENT ON COLUMN compliance.runs.requests_spent IS 'API requests sent, retries included.';
COMMENT ON COLUMN compliance.runs.requests_per_repository IS 'requests_spent divided by repositories.';
COMMENT ON COLUMN compliance.runs.coverage IS 'Calls per resource and outcome (jsonb).';
COMMENT ON COLUMN compliance.runs.scopes_granted IS 'Scopes of the token, implied ones included; null: Bitbucket did not tell.';
COMMENT ON COLUMN compliance.runs.policy_version IS 'Policy of the run.';
COMMENT ON COLUMN compliance.runs.full_refresh IS 'Whether everything was asked for again.';
COMMENT ON COLUMN compliance.runs.error IS 'One line on why the run ended without publishing.';
COMMENT ON COLUMN compliance.runs.identity_role IS
'Role of the connection''s identity in the workspace; null where Bitbucket did not tell.';
COMMENT ON COLUMN compliance.runs.bases_available IS
'By test and basis: null where the grant lets it be decided, else what is missing, such as "scope repository:admin".';
COMMENT ON COLUMN compliance.runs.plan IS
'What the run set out to read and why, the requests it reckoned with, and whether the workspace is too large for its budget.';
COMMENT ON COLUMN compliance.runs.repositories_read IS 'Repositories read in this run; the others were read less than a day before.';
COMMENT ON COLUMN compliance.runs.repositories_left IS 'Repositories that were due and had to be left to the next run.';
COMMENT ON COLUMN compliance.runs.data_docs IS
'By gate (staging, results), where the page stands that shows its expectations and the rows that broke them, as the pipeline''s machine names it; null: none was written, or it was cleared away.';
COMMENT ON COLUMN compliance.runs.kind IS 'polling: everything that was due was read; events: what webhooks announced.';
COMMENT ON COLUMN compliance.runs.events IS 'Events of webhooks that the run answered; null: it did not get so far.';

GRANT SELECT ON compliance.runs TO compliance_pipeline, compliance_console, compliance_reader;
