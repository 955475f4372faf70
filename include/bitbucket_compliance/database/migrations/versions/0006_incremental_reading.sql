-- Purpose: when each repository was last read, what a run planned to read, and what it may decide.

-- ---------------------------------------------------------------- integration

ALTER TABLE integration.runs
ADD COLUMN identity_role text,
ADD COLUMN decidable jsonb,
ADD COLUMN plan jsonb,
ADD COLUMN repositories_read integer,
ADD COLUMN repositories_left integer;

COMMENT ON COLUMN integration.runs.identity_role IS
'Role of the connection''s identity in the workspace; null where Bitbucket did not tell.';
COMMENT ON COLUMN integration.runs.decidable IS
'By test and basis: null where it can be decided, else what is missing ("scope repository:admin").';
COMMENT ON COLUMN integration.runs.plan IS
'Repositories to read by cause, requests estimated, what the budget allows, and whether the workspace is too large for it.';

ALTER TABLE integration.workspace_leases
ADD COLUMN waits_until timestamptz,
ADD COLUMN wanted_by text,
ADD COLUMN wanted_at timestamptz;

COMMENT ON COLUMN integration.workspace_leases.waits_until IS
'Until when the run holds no worker because it waits for requests; null while it works.';
COMMENT ON COLUMN integration.workspace_leases.wanted_by IS
'The run that is next in line: the holder publishes what it has read instead of waiting once more.';

-- -------------------------------------------------------------------- landing

CREATE TABLE landing.repository_reads (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    run_id text NOT NULL,
    read_at timestamptz NOT NULL,
    complete boolean NOT NULL,
    updated_on timestamptz,
    main_branch text,
    non_production boolean NOT NULL,
    reading_basis text NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE landing.repository_reads IS
'When each repository was last read to the end, and what it looked like then: what tells whether it is due again.';
COMMENT ON COLUMN landing.repository_reads.complete IS 'Whether no call on it failed; if one did, it is due at once.';
COMMENT ON COLUMN landing.repository_reads.updated_on IS 'What Bitbucket''s listing said before it was read.';
COMMENT ON COLUMN landing.repository_reads.reading_basis IS
'Scopes, role and policy that decide which calls a reading makes; another basis means another reading.';

CREATE TABLE landing.unfinished_listings (
    workspace text NOT NULL,
    run_id text NOT NULL,
    resource text NOT NULL,
    repository_id text NOT NULL DEFAULT '',
    item_key text NOT NULL DEFAULT '',
    next_link text NOT NULL,
    bodies jsonb NOT NULL,
    requests integer NOT NULL,
    PRIMARY KEY (workspace, run_id, resource, repository_id, item_key)
);
COMMENT ON TABLE landing.unfinished_listings IS
'Pages of a listing that was broken off when the hour''s requests were used up; the run goes on behind them.';

ALTER TABLE landing.work_items
ADD COLUMN place integer NOT NULL DEFAULT 0,
ADD COLUMN cause text NOT NULL DEFAULT 'never_read',
ADD COLUMN updated_on timestamptz,
ADD COLUMN reading_basis text NOT NULL DEFAULT '',
ADD COLUMN left_over boolean NOT NULL DEFAULT false;
COMMENT ON TABLE landing.work_items IS 'The repositories a run reads, in order, split into chunks for mapped tasks.';
COMMENT ON COLUMN landing.work_items.cause IS
'Why it is read: never_read, failed_before, stale, changed, basis_changed or full_refresh.';
COMMENT ON COLUMN landing.work_items.left_over IS 'Left to the next run because this one''s time was up.';

-- -------------------------------------------------------------------- staging

ALTER TABLE staging.repositories ADD COLUMN read_at timestamptz;
COMMENT ON COLUMN staging.repositories.read_at IS
'When everything below the repository was last asked for; null: never. data_as_of is the listing''s.';

-- What is known to be incomplete is not known: a rule or a merge may be missing from it.
CREATE OR REPLACE VIEW staging.repository_coverage AS
WITH outcomes AS (
    SELECT
        coverage.workspace,
        coverage.repository_id,
        coverage.resource,
        coverage.data_as_of,
        CASE WHEN coverage.outcome = 'ok' AND NOT coverage.complete THEN 'failed' ELSE coverage.outcome END AS outcome
    FROM staging.coverage AS coverage
)

SELECT
    repositories.workspace,
    repositories.repository_id,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'branch_restrictions') AS branch_restrictions,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'effective_branching_model') AS branching_model,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_requests') AS pull_requests,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pull_request_statuses') AS pull_request_statuses,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines_config') AS pipelines_config,
    max(outcomes.outcome) FILTER (WHERE outcomes.resource = 'pipelines') AS pipelines,
    coalesce(
        bool_or(
            outcomes.outcome = 'ok' AND outcomes.resource NOT IN ('pipelines_config', 'pull_request_statuses')
        ),
        false
    ) AS another_call_succeeded,
    coalesce(min(outcomes.data_as_of), max(repositories.data_as_of)) AS data_as_of,
    max(repositories.read_at) AS read_at
FROM staging.repositories AS repositories
LEFT JOIN outcomes
    ON repositories.workspace = outcomes.workspace AND repositories.repository_id = outcomes.repository_id
GROUP BY repositories.workspace, repositories.repository_id;
COMMENT ON VIEW staging.repository_coverage IS
'Outcome of each call on a repository when it was last read; null: the call was not needed. A listing that stayed
shorter or longer than its own size counts as failed.';

-- -------------------------------------------------------------------- quality

CREATE OR REPLACE VIEW quality.unread_repositories AS
SELECT
    items.repository_id,
    items.slug,
    resources.resource
FROM landing.work_items AS items
CROSS JOIN (
    VALUES ('branch_restrictions'), ('pull_requests'), ('pipelines_config'), ('pipelines')
) AS resources (resource)
WHERE
    items.workspace = current_setting('compliance.workspace')
    AND items.run_id = current_setting('compliance.run_id')
    AND NOT items.left_over
    AND NOT EXISTS (
        SELECT 1
        FROM landing.calls AS calls
        WHERE
            calls.workspace = items.workspace
            AND calls.run_id = items.run_id
            AND calls.repository_id = items.repository_id
            AND calls.resource = resources.resource
    );
COMMENT ON VIEW quality.unread_repositories IS
'Repositories the run was to read, with neither an answer nor a recorded failure.';

CREATE OR REPLACE VIEW quality.error_share AS
WITH repositories AS (
    SELECT
        staged.repository_id,
        coalesce(bool_or(
            coverage.outcome = 'failed'
            OR (coverage.outcome = 'not_found' AND coverage.resource <> 'pipelines_config')
        ), false) AS failed
    FROM staging.repositories AS staged
    LEFT JOIN staging.coverage AS coverage
        ON staged.workspace = coverage.workspace AND staged.repository_id = coverage.repository_id
    WHERE staged.workspace = current_setting('compliance.workspace')
    GROUP BY staged.repository_id
)

SELECT
    count(*) AS listed,
    count(*) FILTER (WHERE failed) AS failed,
    coalesce(count(*) FILTER (WHERE failed)::double precision / nullif(count(*), 0), 0) AS share
FROM repositories;
COMMENT ON VIEW quality.error_share IS
'Share of listed repositories of which a call failed when they were last read. Missing rights are no failure; nor is a repository on which Pipelines was never configured.';

-- ----------------------------------------------------------------- compliance

CREATE OR REPLACE VIEW compliance.runs AS
SELECT
    run_id,
    workspace,
    status,
    quality,
    started_at,
    finished_at,
    repositories,
    requests_spent,
    round(requests_spent::numeric / nullif(repositories, 0), 2) AS requests_per_repository,
    coverage,
    scopes_granted,
    policy_version,
    full_refresh,
    error,
    identity_role,
    decidable,
    plan,
    repositories_read,
    repositories_left
FROM integration.runs;
COMMENT ON COLUMN compliance.runs.identity_role IS
'Role of the connection''s identity in the workspace; null where Bitbucket did not tell.';
COMMENT ON COLUMN compliance.runs.decidable IS
'By test and basis: null where the grant lets it be decided, else what is missing, such as "scope repository:admin".';
COMMENT ON COLUMN compliance.runs.plan IS
'What the run set out to read and why, the requests it reckoned with, and whether the workspace is too large for its budget.';
COMMENT ON COLUMN compliance.runs.repositories_read IS 'Repositories read in this run; the others were read less than a day before.';
COMMENT ON COLUMN compliance.runs.repositories_left IS 'Repositories that were due and had to be left to the next run.';

GRANT SELECT, INSERT, UPDATE, DELETE ON landing.repository_reads, landing.unfinished_listings TO compliance_pipeline;
