-- Purpose: typed tables, one current row per object.

CREATE TABLE staging.workspaces (
    workspace text PRIMARY KEY,
    workspace_id text NOT NULL,
    name text,
    data_as_of timestamptz NOT NULL
);
COMMENT ON TABLE staging.workspaces IS 'The workspace itself, as Bitbucket names it.';

CREATE TABLE staging.granted_scopes (
    workspace text PRIMARY KEY,
    run_id text NOT NULL,
    scopes text[],
    data_as_of timestamptz NOT NULL
);
COMMENT ON TABLE staging.granted_scopes IS 'What the token of the newest run may read.';
COMMENT ON COLUMN staging.granted_scopes.scopes IS
'Scopes of the token with the implied ones; null where Bitbucket did not tell.';

CREATE TABLE staging.repositories (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    slug text,
    name text,
    full_name text,
    project_key text,
    is_private boolean,
    language text,
    main_branch text,
    created_on timestamptz,
    updated_on timestamptz,
    data_as_of timestamptz NOT NULL,
    read_at timestamptz,
    size bigint,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE staging.repositories IS 'Repositories of the newest listing.';
COMMENT ON COLUMN staging.repositories.read_at IS
'When everything below the repository was last asked for; null: never, or for another main branch than it has now. data_as_of is the listing''s.';

CREATE TABLE staging.members (
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    nickname text,
    member_type text,
    role text,
    data_as_of timestamptz NOT NULL,
    added_on timestamptz,
    last_accessed timestamptz,
    PRIMARY KEY (workspace, member_id)
);
COMMENT ON TABLE staging.members IS 'Members of the newest listing.';
COMMENT ON COLUMN staging.members.added_on IS
'Of the membership; null where Bitbucket no longer tells: the workspace is administered on admin.atlassian.com.';
COMMENT ON COLUMN staging.members.last_accessed IS 'As added_on.';

CREATE TABLE staging.member_emails (
    workspace text NOT NULL,
    email text NOT NULL,
    member_id text NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, email, member_id)
);
COMMENT ON TABLE staging.member_emails IS
'Declared addresses that Bitbucket confirmed for a member; no other address is ever known.';

CREATE TABLE staging.branching_models (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    development_name text,
    development_use_mainbranch boolean,
    production_name text,
    production_use_mainbranch boolean,
    branch_types jsonb NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE staging.branching_models ALTER COLUMN branch_types SET STATISTICS 0;
COMMENT ON TABLE staging.branching_models IS 'The effective branching model of each repository: which branches its rules mean by their type.';

CREATE TABLE staging.branch_restrictions (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    restriction_id bigint NOT NULL,
    kind text,
    branch_match_kind text,
    pattern text,
    branch_type text,
    value integer,
    users jsonb NOT NULL,
    groups jsonb NOT NULL,
    matches_main_branch boolean,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, restriction_id)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE staging.branch_restrictions
ALTER COLUMN users SET STATISTICS 0,
ALTER COLUMN groups SET STATISTICS 0;
COMMENT ON TABLE staging.branch_restrictions IS 'Rules of each repository as they were last read.';
COMMENT ON COLUMN staging.branch_restrictions.matches_main_branch IS
'Whether the rule applies to the main branch; null where the branching model it refers to could not be read.';

CREATE TABLE staging.pull_requests (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pull_request_id bigint NOT NULL,
    state text,
    author_id text,
    destination_branch text,
    approved_by text[],
    approved_by_accounts text[],
    unknown_approvals integer NOT NULL,
    merged_by text,
    merge_commit text,
    created_on timestamptz,
    updated_on timestamptz,
    merged_after timestamptz,
    merged_on timestamptz,
    into_main_branch boolean NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, pull_request_id)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE staging.pull_requests
ALTER COLUMN approved_by SET STATISTICS 0,
ALTER COLUMN approved_by_accounts SET STATISTICS 0,
ALTER COLUMN created_on SET STATISTICS 0;
COMMENT ON TABLE staging.pull_requests IS
'Pull requests, open and merged, as they were last read; those that were merged stay.';
COMMENT ON COLUMN staging.pull_requests.approved_by IS
'Persons (type user) who approved, the author included; null where the participants were not sent.';
COMMENT ON COLUMN staging.pull_requests.approved_by_accounts IS 'Their account ids, in the same order.';
COMMENT ON COLUMN staging.pull_requests.unknown_approvals IS
'Approvals of which nobody can tell whose they are: the account was deleted since.';
COMMENT ON COLUMN staging.pull_requests.merged_by IS 'Who merged it, uuid with braces; null: not merged, or not told.';
COMMENT ON COLUMN staging.pull_requests.merge_commit IS 'Hash of the commit that merged it, as lists give it: its first digits.';
COMMENT ON COLUMN staging.pull_requests.merged_after IS
'It was not merged before this: when it was created or last read as open, or the merge itself where its activity was looked up. Null: not merged.';
COMMENT ON COLUMN staging.pull_requests.merged_on IS
'When it counts as merged: updated_on when it was first read as merged, or the merge itself where its activity was looked up. Null: not merged.';
COMMENT ON COLUMN staging.pull_requests.into_main_branch IS
'Whether its destination was the main branch when it was merged, as far as that was seen.';

CREATE TABLE staging.merge_checks (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pull_request_id bigint NOT NULL,
    main_branch text NOT NULL,
    checks jsonb NOT NULL,
    enforced boolean,
    own_rules text,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE staging.merge_checks ALTER COLUMN checks SET STATISTICS 0;
COMMENT ON TABLE staging.merge_checks IS
'The merge checks that were seen last of an open pull request into the main branch; they stay when it is closed.';
COMMENT ON COLUMN staging.merge_checks.main_branch IS 'The main branch of then.';
COMMENT ON COLUMN staging.merge_checks.checks IS
'Those that a branch restriction stands behind and that require something: kind, requirement, and whether it is enforced.';
COMMENT ON COLUMN staging.merge_checks.enforced IS
'Whether unmet checks block a merge; null where no check says so.';
COMMENT ON COLUMN staging.merge_checks.own_rules IS
'Fingerprint of the repository''s own rules about merging, as they were read then; null where they could not be.';

CREATE TABLE staging.default_reviewers (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    reviewers text[] NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE staging.default_reviewers IS
'The persons who are default reviewers of a repository, its own and its project''s, where a verdict hangs on it.';
COMMENT ON COLUMN staging.default_reviewers.reviewers IS 'Their uuids.';

CREATE TABLE staging.pull_request_builds (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pull_request_id bigint NOT NULL,
    builds integer NOT NULL,
    builds_failed integer NOT NULL,
    builds_in_progress integer NOT NULL,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id, pull_request_id)
);
COMMENT ON TABLE staging.pull_request_builds IS
'Build statuses of merged pull requests, where a verdict needed them: those created before the merge, the newest of each key.';
COMMENT ON COLUMN staging.pull_request_builds.builds_failed IS 'Neither SUCCESSFUL nor INPROGRESS.';
COMMENT ON COLUMN staging.pull_request_builds.builds_in_progress IS 'INPROGRESS when they were last asked for.';

CREATE TABLE staging.pipelines_configs (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    enabled boolean,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE staging.pipelines_configs IS 'Whether Pipelines is switched on, where it could be read.';

CREATE TABLE staging.latest_pipelines (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    pipeline_id text NOT NULL,
    build_number bigint,
    state text,
    result text,
    created_on timestamptz,
    completed_on timestamptz,
    data_as_of timestamptz NOT NULL,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE staging.latest_pipelines IS 'The newest pipeline of each repository.';

CREATE TABLE staging.coverage (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    resource text NOT NULL,
    outcome text NOT NULL,
    message text,
    http_status integer,
    complete boolean NOT NULL,
    run_id text NOT NULL,
    data_as_of timestamptz NOT NULL,
    whole_at timestamptz,
    PRIMARY KEY (workspace, repository_id, resource)
);
COMMENT ON TABLE staging.coverage IS
'What this run could read of each subject, and why not. repository_id is empty for calls on the workspace.';
COMMENT ON COLUMN staging.coverage.whole_at IS
'When it last brought all there is, in this run or before; null: it never did.';

CREATE TABLE staging.held_back (
    workspace text NOT NULL,
    subject_id text NOT NULL,
    resource text NOT NULL,
    rule text NOT NULL,
    PRIMARY KEY (workspace, subject_id, resource, rule)
);
COMMENT ON TABLE staging.held_back IS
'What the newest gate over staging found wrong: no verdict rests on it, and all others are published.';
COMMENT ON COLUMN staging.held_back.subject_id IS 'The repository or member; empty: each one.';
COMMENT ON COLUMN staging.held_back.resource IS 'What is wrong of it, as the tests name what they rest on; empty: all.';
COMMENT ON COLUMN staging.held_back.rule IS 'What should hold, as in quality.expectation_results.description.';

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA staging TO compliance_pipeline;
-- Accepting evidence or an exception freezes which subjects it covers.
GRANT SELECT ON staging.workspaces, staging.repositories, staging.members, staging.member_emails TO compliance_console;
