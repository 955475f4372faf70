-- Purpose: the tables of the published contract and those behind its views.

CREATE TABLE compliance.tests (
    test_id text PRIMARY KEY,
    test_title text NOT NULL,
    severity text NOT NULL,
    subject_type text NOT NULL,
    manual boolean NOT NULL,
    enabled boolean NOT NULL,
    display_order integer NOT NULL,
    description text NOT NULL,
    bases text[] NOT NULL DEFAULT '{}',
    cannot_see text[] NOT NULL DEFAULT '{}'
);
COMMENT ON TABLE compliance.tests IS 'Catalogue of the security tests, as delivered; workspace_tests says what each workspace''s policy asks.';
COMMENT ON COLUMN compliance.tests.test_id IS 'Stable id of the test.';
COMMENT ON COLUMN compliance.tests.test_title IS 'Title shown to people.';
COMMENT ON COLUMN compliance.tests.severity IS 'critical, high or medium, as delivered.';
COMMENT ON COLUMN compliance.tests.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.tests.manual IS 'Whether the test rests on evidence that people upload.';
COMMENT ON COLUMN compliance.tests.enabled IS 'Whether it is asked for as delivered.';
COMMENT ON COLUMN compliance.tests.display_order IS 'Order in listings.';
COMMENT ON COLUMN compliance.tests.description IS 'What the test asks.';
COMMENT ON COLUMN compliance.tests.bases IS 'What its verdicts may rest on: configuration, behaviour, evidence, registry.';
COMMENT ON COLUMN compliance.tests.cannot_see IS 'What an auditor must not take its verdicts for, in sentences.';

CREATE TABLE compliance.results (
    workspace text NOT NULL,
    test_id text NOT NULL,
    test_title text NOT NULL,
    severity text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    remediation text,
    detail jsonb NOT NULL,
    first_seen_at timestamptz NOT NULL,
    status_since timestamptz NOT NULL,
    failing_since timestamptz,
    due_at timestamptz,
    exception_id uuid,
    data_as_of timestamptz,
    fresh_until timestamptz,
    evaluated_at timestamptz NOT NULL,
    run_id text NOT NULL,
    policy_version text NOT NULL,
    facts_hash text NOT NULL,
    exception_expires_at timestamptz,
    bypassable boolean,
    bypassed integer,
    evidence_id uuid,
    evidence_until timestamptz,
    workspace_id text,
    PRIMARY KEY (workspace, test_id, subject_id)
);
-- Every page counts by it, and reads none of the wide rows.
CREATE INDEX results_by_status ON compliance.results (workspace, test_id, status, reason_code)
INCLUDE (subject_id, status_since, exception_id, exception_expires_at, fresh_until, bypassed);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE compliance.results
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN remediation SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0;
COMMENT ON TABLE compliance.results IS 'Storage behind current_results.';
COMMENT ON COLUMN compliance.results.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.results.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.results.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.results.severity IS 'Severity under the policy named by policy_version.';
COMMENT ON COLUMN compliance.results.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.results.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.results.subject_name IS 'Slug, display name or workspace slug, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.results.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.results.basis IS 'What decided: configuration, behaviour, evidence, registry; null where nothing could.';
COMMENT ON COLUMN compliance.results.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.results.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.results.remediation IS 'What a person does next; null where there is nothing to do.';
COMMENT ON COLUMN compliance.results.detail IS 'Facts behind the verdict and context (jsonb).';
COMMENT ON COLUMN compliance.results.first_seen_at IS 'When this subject was first judged by this test.';
COMMENT ON COLUMN compliance.results.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN compliance.results.failing_since IS 'Since when the subject fails; see findings for when that ends.';
COMMENT ON COLUMN compliance.results.due_at IS 'When the failure has to be fixed, under the policy of the day it was found.';
COMMENT ON COLUMN compliance.results.exception_id IS 'Accepted exception that covers this failure.';
COMMENT ON COLUMN compliance.results.data_as_of IS 'When the data that decided was read.';
COMMENT ON COLUMN compliance.results.fresh_until IS
'Until when the verdict may be relied on: its data is recent enough, and the evidence or roster behind it is not too old.';
COMMENT ON COLUMN compliance.results.evaluated_at IS 'The moment that the verdict is of, when its run began: windows, ages and what is valid are counted from it.';
COMMENT ON COLUMN compliance.results.run_id IS 'Run that reached it; see runs.';
COMMENT ON COLUMN compliance.results.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.results.facts_hash IS 'Hash of the facts that decided, and of nothing else.';
COMMENT ON COLUMN compliance.results.exception_expires_at IS 'Until when exception_id covers this failure.';
COMMENT ON COLUMN compliance.results.evidence_until IS
'Until when the evidence behind the verdict is valid; null where none is.';
COMMENT ON COLUMN compliance.results.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.results.bypassable IS
'Whether the main branch can be pushed to past every pull request; null where rules about pushing can''t be read, and for other tests.';
COMMENT ON COLUMN compliance.results.bypassed IS
'How many merges in the window went around a rule that was in force; null where that is not known, and for other tests.';
COMMENT ON COLUMN compliance.results.evidence_id IS 'The evidence that the verdict rests on, or that is past its validity; see evidence.';

CREATE TABLE compliance.result_history (
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    severity text NOT NULL,
    status text NOT NULL,
    basis text,
    reason_code text NOT NULL,
    reason text NOT NULL,
    detail jsonb NOT NULL,
    facts_hash text NOT NULL,
    exception_id uuid,
    policy_version text NOT NULL,
    run_id text NOT NULL,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    data_as_of timestamptz,
    evidence_id uuid,
    evidence_until timestamptz,
    bypassed integer,
    workspace_id text,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (workspace, test_id, subject_id, valid_from),
    CHECK (valid_to IS null OR valid_to > valid_from)
);
-- No row is ever looked for by it, and statistics of documents are most of the work of ANALYZE.
ALTER TABLE compliance.result_history
ALTER COLUMN reason SET STATISTICS 0,
ALTER COLUMN detail SET STATISTICS 0;
CREATE UNIQUE INDEX result_history_open ON compliance.result_history (workspace, test_id, subject_id)
WHERE valid_to IS null;
-- What a publication ended is found by when it ended it.
CREATE INDEX result_history_ended ON compliance.result_history (workspace, valid_to) WHERE valid_to IS NOT null;
-- What an exception covers, or covered, is little beside the whole.
CREATE INDEX result_history_excepted ON compliance.result_history (exception_id) WHERE exception_id IS NOT null;
CREATE INDEX result_history_by_start ON compliance.result_history (workspace, valid_from);
-- What was failing on a past day.
CREATE INDEX result_history_failing ON compliance.result_history (workspace, valid_from) WHERE status = 'failing';
COMMENT ON TABLE compliance.result_history IS
'One row per interval of unchanged (status, basis, reason_code, facts_hash, exception_id, policy_version). A subject that left, or a test that was switched off, continues as not_applicable with reason code removed_or_invisible or test_disabled.';
COMMENT ON COLUMN compliance.result_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.result_history.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.result_history.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.result_history.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.result_history.subject_name IS 'Name at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.severity IS 'Severity at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.result_history.basis IS 'What decided.';
COMMENT ON COLUMN compliance.result_history.reason_code IS 'Stable code of the reason; removed_or_invisible and test_disabled mark the time after a subject or a test left.';
COMMENT ON COLUMN compliance.result_history.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.result_history.detail IS 'Facts behind the verdict and context (jsonb), at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.facts_hash IS 'Hash of the facts that decided.';
COMMENT ON COLUMN compliance.result_history.exception_id IS 'Accepted exception.';
COMMENT ON COLUMN compliance.result_history.policy_version IS 'Policy under which it was reached.';
COMMENT ON COLUMN compliance.result_history.run_id IS 'Run that opened the interval.';
COMMENT ON COLUMN compliance.result_history.valid_from IS 'From when it held (inclusive).';
COMMENT ON COLUMN compliance.result_history.evidence_id IS
'The evidence that the verdict rests on, or that is past its validity; see evidence.';
COMMENT ON COLUMN compliance.result_history.evidence_until IS
'Until when the evidence behind the verdict is valid; null where none is.';
COMMENT ON COLUMN compliance.result_history.bypassed IS
'How many merges in the window went around a rule that was in force, at the start of the interval.';
COMMENT ON COLUMN compliance.result_history.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.result_history.recorded_at IS
'When the row was written or ended, by the server''s clock: what is newer than the last load is what it lacks. A publication''s rows are seen when it commits, so begin an hour before.';
COMMENT ON COLUMN compliance.result_history.valid_to IS 'Until when it held (exclusive); null: it still holds.';
COMMENT ON COLUMN compliance.result_history.data_as_of IS
'When the oldest data behind the verdict was read, at the start of the interval; null for intervals from before this was kept.';

CREATE TABLE compliance.repositories (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    slug text,
    name text,
    project_key text,
    visibility text CHECK (visibility IN ('public', 'private')),
    language text,
    default_branch text,
    open_pull_requests integer,
    required_approvals integer,
    required_builds integer,
    merge_checks_enforced boolean,
    push_restricted boolean,
    force_push_prevented boolean,
    deletion_prevented boolean,
    pipelines_enabled boolean,
    last_pipeline_state text,
    last_pipeline_at timestamptz,
    classification text,
    sensitivity text,
    owner text,
    updated_on timestamptz,
    data_as_of timestamptz,
    merge_rules_seen text,
    workspace_id text,
    PRIMARY KEY (workspace, repository_id)
);
COMMENT ON TABLE compliance.repositories IS 'Inventory. What could not be read is null, never false.';
COMMENT ON COLUMN compliance.repositories.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.repositories.repository_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.repositories.slug IS 'Slug.';
COMMENT ON COLUMN compliance.repositories.name IS 'Name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.repositories.project_key IS 'Key of the project.';
COMMENT ON COLUMN compliance.repositories.visibility IS 'public or private.';
COMMENT ON COLUMN compliance.repositories.language IS 'Language declared in Bitbucket.';
COMMENT ON COLUMN compliance.repositories.default_branch IS 'Main branch; null where there is none.';
COMMENT ON COLUMN compliance.repositories.open_pull_requests IS 'Open pull requests.';
COMMENT ON COLUMN compliance.repositories.required_approvals IS 'Largest number of approvals a rule on the default branch asks for; 0: none.';
COMMENT ON COLUMN compliance.repositories.required_builds IS 'Number of passing builds a rule on the default branch asks for; 0: none.';
COMMENT ON COLUMN compliance.repositories.merge_checks_enforced IS 'Whether unmet checks block a merge into the default branch (Premium).';
COMMENT ON COLUMN compliance.repositories.merge_rules_seen IS
'By which way required_approvals, required_builds and merge_checks_enforced are known: own rules, or the number of the pull request whose merge checks show them, inherited rules too.';
COMMENT ON COLUMN compliance.repositories.push_restricted IS 'Whether pushing to the default branch is restricted.';
COMMENT ON COLUMN compliance.repositories.force_push_prevented IS 'Whether rewriting the default branch is prevented.';
COMMENT ON COLUMN compliance.repositories.deletion_prevented IS 'Whether deleting the default branch is prevented.';
COMMENT ON COLUMN compliance.repositories.pipelines_enabled IS 'Whether Pipelines is switched on.';
COMMENT ON COLUMN compliance.repositories.last_pipeline_state IS 'Result of the newest pipeline, or its state while it runs.';
COMMENT ON COLUMN compliance.repositories.last_pipeline_at IS 'When the newest pipeline was created.';
COMMENT ON COLUMN compliance.repositories.classification IS 'production or non_production, as declared.';
COMMENT ON COLUMN compliance.repositories.sensitivity IS 'public, internal, confidential or restricted, as declared.';
COMMENT ON COLUMN compliance.repositories.owner IS 'Owner as declared.';
COMMENT ON COLUMN compliance.repositories.updated_on IS 'When Bitbucket says it was last updated.';
COMMENT ON COLUMN compliance.repositories.data_as_of IS 'When the repository was last read.';
COMMENT ON COLUMN compliance.repositories.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.members (
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    nickname text,
    member_type text,
    role text,
    matched_by text CHECK (matched_by IN ('account_id', 'email', 'name')),
    repositories_reachable integer,
    data_as_of timestamptz,
    added_on timestamptz,
    last_accessed timestamptz,
    workspace_id text,
    -- A name is never enough, so who is named by it alone is looked at too.
    needs_review boolean NOT NULL GENERATED ALWAYS AS (
        member_type IS DISTINCT FROM 'app_user' AND coalesce(matched_by, 'name') = 'name'
    ) STORED,
    PRIMARY KEY (workspace, member_id)
);
COMMENT ON TABLE compliance.members IS 'Access review. matched_by says how the roster names the member; null: it does not.';
COMMENT ON COLUMN compliance.members.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.members.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.members.account_id IS 'Atlassian account id.';
COMMENT ON COLUMN compliance.members.display_name IS 'Display name, exactly as Bitbucket gives it.';
COMMENT ON COLUMN compliance.members.nickname IS 'Nickname.';
COMMENT ON COLUMN compliance.members.member_type IS 'user, or app_user for apps.';
COMMENT ON COLUMN compliance.members.role IS 'owner or member; null where it could not be read.';
COMMENT ON COLUMN compliance.members.matched_by IS 'How the roster names this member: account_id, email or name (a name is never enough); null: it does not.';
COMMENT ON COLUMN compliance.members.repositories_reachable IS 'Repositories the member can reach; null: not read.';
COMMENT ON COLUMN compliance.members.data_as_of IS 'When the member was last read.';
COMMENT ON COLUMN compliance.members.added_on IS
'When the member joined; null where Bitbucket does not tell, as for workspaces administered on admin.atlassian.com.';
COMMENT ON COLUMN compliance.members.last_accessed IS 'When the member was last seen in the workspace; null where Bitbucket does not tell.';
COMMENT ON COLUMN compliance.members.needs_review IS
'Whether a person should look at this account: no row of the roster names it by account id or address. Apps are no people.';
COMMENT ON COLUMN compliance.members.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.member_employment (
    workspace text NOT NULL,
    member_id text NOT NULL,
    hr_status text,
    hr_end_date date,
    workspace_id text,
    PRIMARY KEY (workspace, member_id)
);
COMMENT ON TABLE compliance.member_employment IS 'Employment facts, for compliance_people_reader alone.';
COMMENT ON COLUMN compliance.member_employment.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.member_employment.member_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.member_employment.hr_status IS 'Status on the roster: active, on_leave or terminated.';
COMMENT ON COLUMN compliance.member_employment.hr_end_date IS 'Last working day on the roster.';
COMMENT ON COLUMN compliance.member_employment.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.exception_endings (
    exception_id uuid NOT NULL,
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    facts_hash text NOT NULL,
    ended_at timestamptz NOT NULL,
    cause text NOT NULL CHECK (cause IN ('expired', 'facts_changed', 'finding_ended', 'withdrawn')),
    status_then text,
    facts_hash_then text,
    run_id text,
    PRIMARY KEY (exception_id, subject_id)
);
COMMENT ON TABLE compliance.exception_endings IS
'When an accepted exception stopped to cover a subject, and why: it re-opened. What has ended does not begin again.';
COMMENT ON COLUMN compliance.exception_endings.exception_id IS 'The exception.';
COMMENT ON COLUMN compliance.exception_endings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exception_endings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.exception_endings.subject_id IS 'The subject it no longer covers.';
COMMENT ON COLUMN compliance.exception_endings.facts_hash IS 'Hash of the facts that were accepted.';
COMMENT ON COLUMN compliance.exception_endings.ended_at IS
'When it ended: the expiry, or the publication that saw the change or the withdrawal.';
COMMENT ON COLUMN compliance.exception_endings.cause IS
'expired, withdrawn, finding_ended (see findings), or facts_changed: the subject fails for other facts.';
COMMENT ON COLUMN compliance.exception_endings.status_then IS
'Status published when the ending was noted; null: the subject or its test is gone.';
COMMENT ON COLUMN compliance.exception_endings.facts_hash_then IS
'Hash of the facts that decided when the ending was noted; null: the subject or its test is gone.';
COMMENT ON COLUMN compliance.exception_endings.run_id IS 'Run that noted it; null: housekeeping, between two runs.';

CREATE TABLE compliance.finding_records (
    finding_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_type text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    severity text NOT NULL,
    found_at timestamptz NOT NULL,
    found_basis text,
    failed_basis text,
    reason_code text NOT NULL,
    due_at timestamptz NOT NULL,
    policy_version text NOT NULL,
    run_id text NOT NULL,
    reopened_as uuid,
    missed_by text,
    ended_at timestamptz,
    ended_basis text,
    ended_because text CHECK (ended_because IN ('fixed', 'not_applicable', 'removed')),
    ended_reason_code text,
    ended_by text,
    workspace_id text,
    CHECK (ended_at > found_at),
    CHECK ((ended_at IS null) = (ended_because IS null))
);
CREATE UNIQUE INDEX finding_records_open ON compliance.finding_records (workspace, test_id, subject_id)
WHERE ended_at IS null;
CREATE INDEX finding_records_by_subject ON compliance.finding_records (workspace, test_id, subject_id, found_at);
-- What is overdue, and what will be, is counted on every page.
CREATE INDEX finding_records_by_due ON compliance.finding_records (workspace, due_at)
INCLUDE (finding_id, test_id, subject_id, found_at) WHERE ended_at IS null;
COMMENT ON TABLE compliance.finding_records IS 'Storage behind findings.';
COMMENT ON COLUMN compliance.finding_records.finding_id IS 'Id of the finding.';
COMMENT ON COLUMN compliance.finding_records.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.finding_records.workspace_id IS 'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.finding_records.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.finding_records.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.finding_records.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.finding_records.subject_name IS 'Its name when it was found; when it ended, if it ended by a verdict.';
COMMENT ON COLUMN compliance.finding_records.severity IS 'Severity when it was found.';
COMMENT ON COLUMN compliance.finding_records.found_at IS 'When it was found.';
COMMENT ON COLUMN compliance.finding_records.found_basis IS 'What it was found by.';
COMMENT ON COLUMN compliance.finding_records.reason_code IS 'Reason it was found for.';
COMMENT ON COLUMN compliance.finding_records.due_at IS 'When it has to be fixed, under the policy of the day it was found.';
COMMENT ON COLUMN compliance.finding_records.policy_version IS 'The policy of the day it was found.';
COMMENT ON COLUMN compliance.finding_records.run_id IS 'The run that found it.';
COMMENT ON COLUMN compliance.finding_records.reopened_as IS 'The ended finding of the same test and subject that this one follows.';
COMMENT ON COLUMN compliance.finding_records.ended_at IS 'When it ended; null: it is open.';
COMMENT ON COLUMN compliance.finding_records.ended_basis IS 'What the verdict that ended it rests on.';
COMMENT ON COLUMN compliance.finding_records.ended_because IS 'fixed, not_applicable or removed.';
COMMENT ON COLUMN compliance.finding_records.ended_reason_code IS 'Reason code of the verdict that ended it.';
COMMENT ON COLUMN compliance.finding_records.ended_by IS 'Who declared the repository non-production, where that ended it.';
COMMENT ON COLUMN compliance.finding_records.failed_basis IS
'What it fails by, as last read: what failed by configuration is not mended by behaviour.';
COMMENT ON COLUMN compliance.finding_records.missed_by IS
'The run whose whole listing lacked the subject; when that of another one lacks it too, it is gone.';

CREATE TABLE compliance.stale_records (
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    stale_from timestamptz NOT NULL,
    stale_to timestamptz,
    workspace_id text,
    PRIMARY KEY (workspace, test_id, subject_id, stale_from),
    CHECK (stale_to > stale_from)
);
CREATE UNIQUE INDEX stale_records_open ON compliance.stale_records (workspace, test_id, subject_id)
WHERE stale_to IS null;
COMMENT ON TABLE compliance.stale_records IS
'Storage behind stale_periods: a row is added where a result got past its freshness, and ended where it was confirmed or left.';
COMMENT ON COLUMN compliance.stale_records.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.stale_records.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.stale_records.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.stale_records.stale_from IS 'The first instant at which the result could not be relied on.';
COMMENT ON COLUMN compliance.stale_records.stale_to IS 'When it was confirmed or left the results; null: neither happened.';
COMMENT ON COLUMN compliance.stale_records.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.repository_history (
    workspace text NOT NULL,
    repository_id text NOT NULL,
    slug text,
    project_key text,
    visibility text,
    default_branch text,
    owner text,
    classification text,
    sensitivity text,
    created_on timestamptz,
    valid_from timestamptz NOT NULL,
    valid_to timestamptz,
    recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    workspace_id text,
    PRIMARY KEY (workspace, repository_id, valid_from),
    CHECK (valid_to > valid_from)
);
CREATE UNIQUE INDEX repository_history_open ON compliance.repository_history (workspace, repository_id)
WHERE valid_to IS null;
COMMENT ON TABLE compliance.repository_history IS
'What a repository was called, whose it was and how it was classified, from when to when: a row for each interval in which none of it changed. Join it to result_history on the repository and overlapping intervals.';
COMMENT ON COLUMN compliance.repository_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.repository_history.repository_id IS 'Bitbucket''s uuid with braces.';
COMMENT ON COLUMN compliance.repository_history.slug IS 'Slug.';
COMMENT ON COLUMN compliance.repository_history.project_key IS 'Key of the project.';
COMMENT ON COLUMN compliance.repository_history.visibility IS 'public or private.';
COMMENT ON COLUMN compliance.repository_history.default_branch IS 'Main branch; null where there is none.';
COMMENT ON COLUMN compliance.repository_history.owner IS 'Owner as declared.';
COMMENT ON COLUMN compliance.repository_history.classification IS
'production or non_production, as declared; null: it was not declared.';
COMMENT ON COLUMN compliance.repository_history.sensitivity IS
'public, internal, confidential or restricted, as declared.';
COMMENT ON COLUMN compliance.repository_history.created_on IS 'When it was created in Bitbucket.';
COMMENT ON COLUMN compliance.repository_history.valid_from IS 'From when it was so (inclusive).';
COMMENT ON COLUMN compliance.repository_history.valid_to IS
'Until when it was so, or the repository left the inventory (exclusive); null: it still is.';
COMMENT ON COLUMN compliance.repository_history.recorded_at IS
'When the row was written or ended, by the server''s clock: what is newer than the last load is what it lacks. A publication''s rows are seen when it commits, so begin an hour before.';
COMMENT ON COLUMN compliance.repository_history.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.daily_observations (
    workspace text NOT NULL,
    test_id text NOT NULL,
    day date NOT NULL,
    subjects integer NOT NULL,
    observed integer NOT NULL,
    not_read integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    workspace_id text,
    PRIMARY KEY (day, workspace, test_id)
);
COMMENT ON TABLE compliance.daily_observations IS
'Day × workspace × test: how many subjects were really looked at on that day, and how many verdicts repeat an older reading. A day on which nothing was published has no row.';
COMMENT ON COLUMN compliance.daily_observations.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.daily_observations.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.daily_observations.day IS 'The day, in UTC.';
COMMENT ON COLUMN compliance.daily_observations.subjects IS
'Subjects with a result after the last publication of the day.';
COMMENT ON COLUMN compliance.daily_observations.observed IS
'Of these, those whose result rests on data that was read on that day.';
COMMENT ON COLUMN compliance.daily_observations.not_read IS
'Of these, those that a run asked for and could not read (status error).';
COMMENT ON COLUMN compliance.daily_observations.recorded_at IS 'When the row was written last.';
COMMENT ON COLUMN compliance.daily_observations.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';

CREATE TABLE compliance.history_kept (
    workspace text PRIMARY KEY,
    workspace_id text,
    kept_from timestamptz NOT NULL,
    forgotten_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE compliance.history_kept IS
'From when on the history of a workspace is whole, where retention has deleted what ended before (the policy''s history_kept_days). A workspace without a row has all of it.';
COMMENT ON COLUMN compliance.history_kept.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.history_kept.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.history_kept.kept_from IS
'Of earlier instants results_as_of and daily_trend say nothing: what they could tell would lack what was deleted.';
COMMENT ON COLUMN compliance.history_kept.forgotten_at IS 'When something was deleted last.';

CREATE TABLE compliance.test_controls (
    test_id text NOT NULL,
    framework text NOT NULL,
    control text NOT NULL,
    strength text NOT NULL CHECK (strength IN ('primary', 'supporting')),
    source text NOT NULL,
    note text,
    title text NOT NULL,
    PRIMARY KEY (test_id, framework, control)
);
COMMENT ON TABLE compliance.test_controls IS 'Which control of which framework a test gives evidence for.';
COMMENT ON COLUMN compliance.test_controls.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.test_controls.framework IS 'Framework with its edition.';
COMMENT ON COLUMN compliance.test_controls.control IS 'Control as the framework numbers it.';
COMMENT ON COLUMN compliance.test_controls.title IS 'As the framework words it: its title, or what it asks for where it has none.';
COMMENT ON COLUMN compliance.test_controls.strength IS 'primary: the control asks for just this; supporting: it is a part of what the control asks for.';
COMMENT ON COLUMN compliance.test_controls.source IS 'The document that the mapping rests on.';
COMMENT ON COLUMN compliance.test_controls.note IS 'Where the control asks for more or other than the test sees.';

CREATE TABLE compliance.reason_codes (
    test_id text NOT NULL,
    reason_code text NOT NULL,
    status text NOT NULL CHECK (status IN ('passing', 'failing', 'pending', 'error', 'not_applicable')),
    meaning text NOT NULL,
    remediation text,
    api_calls jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (test_id, reason_code)
);
COMMENT ON TABLE compliance.reason_codes IS 'Every reason a test can give, what it means, and what would mend it.';
COMMENT ON COLUMN compliance.reason_codes.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.reason_codes.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.reason_codes.status IS 'The status it stands for.';
COMMENT ON COLUMN compliance.reason_codes.meaning IS 'What it means, in a sentence.';
COMMENT ON COLUMN compliance.reason_codes.remediation IS 'What a person does next in Bitbucket or here; null: nothing.';
COMMENT ON COLUMN compliance.reason_codes.api_calls IS
'Calls of Bitbucket''s API that would mend it (method, path, body), with {workspace} and {repo_slug} to be filled in. They are shown, never executed.';

GRANT SELECT, INSERT, UPDATE, DELETE ON
compliance.results,
compliance.repositories,
compliance.members,
compliance.member_employment,
compliance.daily_observations
TO compliance_pipeline;
-- The catalogue is written by an upgrade: a run that wrote it would hold up every other workspace until it commits.
GRANT SELECT ON
compliance.tests,
compliance.test_controls,
compliance.reason_codes
TO compliance_pipeline;
-- History is a record: it is added to and ended, never taken back.
GRANT SELECT, INSERT, UPDATE (valid_to) ON compliance.result_history TO compliance_pipeline;
GRANT SELECT, INSERT, UPDATE (valid_to, recorded_at) ON compliance.repository_history TO compliance_pipeline;
GRANT SELECT, INSERT ON compliance.exception_endings TO compliance_pipeline;
-- What was found, when and until when it had to be fixed never changes; only open ones end.
GRANT SELECT, INSERT, UPDATE (
    subject_name, failed_basis, missed_by, ended_at, ended_basis, ended_because, ended_reason_code, ended_by
) ON compliance.finding_records TO compliance_pipeline;
GRANT SELECT ON compliance.finding_records TO compliance_console;
GRANT SELECT, INSERT, UPDATE (stale_to) ON compliance.stale_records TO compliance_pipeline;
GRANT SELECT ON
compliance.tests,
compliance.result_history,
compliance.repositories,
compliance.members,
compliance.exception_endings,
compliance.test_controls,
compliance.reason_codes,
compliance.repository_history,
compliance.daily_observations
TO compliance_console, compliance_reader;
-- Written by retention alone (integration.forget_history).
GRANT SELECT ON compliance.history_kept TO compliance_pipeline, compliance_console, compliance_reader;
GRANT SELECT ON compliance.results TO compliance_console;
GRANT SELECT ON compliance.member_employment TO compliance_people_reader;
