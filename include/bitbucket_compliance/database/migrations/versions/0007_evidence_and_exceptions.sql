-- Purpose: evidence and exceptions with their life cycles as inserts only, policy per workspace, framework mapping.

-- ------------------------------------------------------------------- evidence

DROP VIEW compliance.evidence;

CREATE TABLE registry.evidence_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    reason text
);
CREATE UNIQUE INDEX evidence_decided_once ON registry.evidence_decisions (evidence_id)
WHERE decision IN ('accepted', 'rejected');
CREATE UNIQUE INDEX evidence_withdrawn_once ON registry.evidence_decisions (evidence_id)
WHERE decision = 'withdrawn';
COMMENT ON TABLE registry.evidence_decisions IS
'What became of evidence: accepted or rejected once, withdrawn once. Rows are only ever added.';

INSERT INTO registry.evidence_decisions (evidence_id, decision, decided_by, decided_at)
SELECT
    evidence.evidence_id,
    evidence.status,
    coalesce(evidence.decided_by, evidence.submitted_by),
    coalesce(evidence.decided_at, evidence.submitted_at)
FROM registry.evidence AS evidence
WHERE evidence.status <> 'submitted';

ALTER TABLE registry.evidence
DROP COLUMN status,
DROP COLUMN decided_by,
DROP COLUMN decided_at,
ADD COLUMN targets text[] NOT NULL DEFAULT '{}',
ADD COLUMN note text,
ADD COLUMN media_type text,
ADD COLUMN size_bytes bigint,
ADD COLUMN submitted_sha256 text,
ADD COLUMN storage_url text;
COMMENT ON COLUMN registry.evidence.targets IS
'What the scope names, in lower case: project keys, repository slugs or uuids, addresses or account ids; empty for a workspace and for an export, whose rows name its members.';
COMMENT ON COLUMN registry.evidence.file_sha256 IS 'Of the stored file, under which it is found.';
COMMENT ON COLUMN registry.evidence.submitted_sha256 IS 'Of the file as submitted, before metadata was stripped.';
COMMENT ON COLUMN registry.evidence.storage_url IS 'Where the file is kept; null: only its rows were taken.';

CREATE TABLE registry.evidence_subjects (
    evidence_id uuid NOT NULL REFERENCES registry.evidence,
    workspace text NOT NULL,
    subject_type text NOT NULL CHECK (subject_type IN ('repository', 'member', 'workspace')),
    subject_id text NOT NULL,
    subject_name text,
    PRIMARY KEY (evidence_id, workspace, subject_id)
);
CREATE INDEX evidence_subjects_by_subject ON registry.evidence_subjects (workspace, subject_id);
COMMENT ON TABLE registry.evidence_subjects IS
'The subjects that evidence covers, frozen when it was accepted: those in its scope that existed on the day of capture. An export covers its rows instead (evidence_members).';

CREATE VIEW registry.evidence_states AS
SELECT
    evidence.*,
    CASE
        WHEN withdrawals.decision_id IS NOT null THEN 'withdrawn'
        ELSE coalesce(decisions.decision, 'submitted')
    END AS status,
    coalesce(withdrawals.decided_by, decisions.decided_by) AS decided_by,
    coalesce(withdrawals.decided_at, decisions.decided_at) AS decided_at,
    coalesce(withdrawals.reason, decisions.reason) AS decision_reason
FROM registry.evidence AS evidence
LEFT JOIN registry.evidence_decisions AS decisions
    ON evidence.evidence_id = decisions.evidence_id AND decisions.decision IN ('accepted', 'rejected')
LEFT JOIN registry.evidence_decisions AS withdrawals
    ON evidence.evidence_id = withdrawals.evidence_id AND withdrawals.decision = 'withdrawn';
COMMENT ON VIEW registry.evidence_states IS
'Evidence with its state: submitted, accepted, rejected or withdrawn. Whether it is past its validity depends on the policy.';

CREATE FUNCTION registry.valid_evidence(in_workspace text, about_test text, today date, validity_days integer)
RETURNS TABLE (
    subject_id text, evidence_id uuid, scope text, captured_on date, submitted_at timestamptz
)
LANGUAGE sql STABLE
AS $valid$
    SELECT
        covered.subject_id,
        evidence.evidence_id,
        evidence.scope,
        evidence.captured_on,
        evidence.submitted_at
    FROM registry.evidence_states AS evidence
    INNER JOIN registry.evidence_subjects AS covered ON evidence.evidence_id = covered.evidence_id
    LEFT JOIN staging.repositories AS repositories
        ON covered.workspace = repositories.workspace AND covered.subject_id = repositories.repository_id
    WHERE
        covered.workspace = in_workspace
        AND evidence.test_id = about_test
        AND evidence.status = 'accepted'
        AND evidence.captured_on <= today
        AND evidence.captured_on + validity_days > today
        -- a repository that moved elsewhere has left what the evidence shows
        AND (evidence.scope <> 'project' OR lower(repositories.project_key) = any(evidence.targets))
$valid$;
COMMENT ON FUNCTION registry.valid_evidence(text, text, date, integer) IS
'Accepted evidence within its validity, a row for each subject of the workspace that it covers.';

CREATE VIEW registry.unmatched_evidence_rows AS
WITH declared AS (
    SELECT
        named.email,
        min(named.named_at) AS named_at
    FROM (
        SELECT
            people.email,
            imports.imported_at AS named_at
        FROM registry.people AS people
        INNER JOIN registry.imports AS imports ON people.import_id = imports.import_id
        UNION ALL
        SELECT
            covered.email,
            decisions.decided_at AS named_at
        FROM registry.evidence_members AS covered
        INNER JOIN registry.evidence_decisions AS decisions
            ON covered.evidence_id = decisions.evidence_id AND decisions.decision = 'accepted'
    ) AS named
    WHERE named.email IS NOT null
    GROUP BY named.email
),

look_ups AS (
    SELECT
        lower(coverage.workspace) AS workspace,
        coverage.data_as_of
    FROM staging.coverage AS coverage
    WHERE coverage.repository_id = '' AND coverage.resource = 'member_emails' AND coverage.outcome = 'ok'
)

SELECT
    covered.evidence_id,
    covered.line,
    covered.email,
    covered.account_id,
    covered.email IS null
    OR EXISTS (
        SELECT 1 FROM look_ups
        WHERE
            look_ups.data_as_of > declared.named_at
            AND (evidence.workspace IS null OR evidence.workspace = look_ups.workspace)
    ) AS looked_up
FROM registry.evidence_members AS covered
INNER JOIN registry.evidence AS evidence ON covered.evidence_id = evidence.evidence_id
LEFT JOIN declared ON covered.email = declared.email
WHERE
    NOT EXISTS (
        SELECT 1 FROM staging.members AS members
        WHERE
            members.account_id = covered.account_id
            AND (evidence.workspace IS null OR evidence.workspace = lower(members.workspace))
    )
    AND NOT EXISTS (
        SELECT 1 FROM staging.member_emails AS confirmed
        WHERE
            confirmed.email = covered.email
            AND (evidence.workspace IS null OR evidence.workspace = lower(confirmed.workspace))
    );
COMMENT ON VIEW registry.unmatched_evidence_rows IS
'Rows of two-step verification exports that match no member of a workspace that was read, by account id or confirmed address. looked_up: false where Bitbucket was not yet asked for the address.';

CREATE VIEW compliance.evidence AS
WITH validity AS (
    SELECT
        runs.workspace,
        (policies.body #>> '{thresholds,evidence_validity_days}')::integer AS validity_days,
        policies.body #>> '{thresholds,time_zone}' AS time_zone,
        row_number() OVER (PARTITION BY lower(runs.workspace) ORDER BY runs.started_at DESC) AS in_workspace,
        row_number() OVER (ORDER BY runs.started_at DESC) AS anywhere
    FROM integration.runs AS runs
    INNER JOIN registry.policy_versions AS policies ON runs.policy_version = policies.policy_version
),

timed AS (
    SELECT
        states.*,
        (states.captured_on + coalesce(validity.validity_days, 90))::timestamp
        AT TIME ZONE coalesce(validity.time_zone, 'UTC') AS valid_until
    FROM registry.evidence_states AS states
    LEFT JOIN validity
        ON
            (states.workspace = lower(validity.workspace) AND validity.in_workspace = 1)
            OR (states.workspace IS null AND validity.anywhere = 1)
)

SELECT
    timed.evidence_id,
    timed.test_id,
    timed.scope,
    timed.workspace,
    timed.kind,
    timed.captured_on,
    CASE WHEN timed.status = 'accepted' AND timed.valid_until <= now() THEN 'expired' ELSE timed.status END AS status,
    timed.submitted_by,
    timed.submitted_at,
    timed.decided_by,
    timed.decided_at,
    timed.file_name,
    timed.file_sha256,
    timed.targets,
    timed.valid_until,
    timed.decision_reason,
    timed.note,
    timed.media_type,
    timed.size_bytes,
    (
        SELECT count(*) FROM registry.evidence_subjects AS covered
        WHERE covered.evidence_id = timed.evidence_id
    ) + (
        SELECT count(*) FROM registry.evidence_members AS covered
        WHERE covered.evidence_id = timed.evidence_id
    ) AS subjects
FROM timed;
COMMENT ON VIEW compliance.evidence IS 'Evidence with its life cycle; never the file itself.';
COMMENT ON COLUMN compliance.evidence.evidence_id IS 'Id of the evidence.';
COMMENT ON COLUMN compliance.evidence.test_id IS 'Test it supports.';
COMMENT ON COLUMN compliance.evidence.scope IS 'workspace, project, repository or members.';
COMMENT ON COLUMN compliance.evidence.workspace IS 'Workspace slug; null: any.';
COMMENT ON COLUMN compliance.evidence.kind IS 'mfa_export or screenshot.';
COMMENT ON COLUMN compliance.evidence.captured_on IS 'Day of capture, as the submitter states it; validity counts from it.';
COMMENT ON COLUMN compliance.evidence.status IS
'submitted, accepted, rejected, withdrawn, or expired: accepted and past its validity, computed when read.';
COMMENT ON COLUMN compliance.evidence.submitted_by IS 'Who submitted it.';
COMMENT ON COLUMN compliance.evidence.submitted_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.decided_by IS 'Who accepted, rejected or withdrew it.';
COMMENT ON COLUMN compliance.evidence.decided_at IS 'When.';
COMMENT ON COLUMN compliance.evidence.file_name IS 'Name of the file as given.';
COMMENT ON COLUMN compliance.evidence.file_sha256 IS 'SHA-256 of the stored file.';
COMMENT ON COLUMN compliance.evidence.targets IS 'Project keys, repositories or people that the scope names; empty: see scope.';
COMMENT ON COLUMN compliance.evidence.valid_until IS 'Until when it supports a verdict under the policy of the newest run.';
COMMENT ON COLUMN compliance.evidence.decision_reason IS 'Why it was rejected or withdrawn, or a remark on its acceptance.';
COMMENT ON COLUMN compliance.evidence.note IS 'What the submitter says it shows.';
COMMENT ON COLUMN compliance.evidence.media_type IS 'Type of the file, found by its content.';
COMMENT ON COLUMN compliance.evidence.size_bytes IS 'Size of the stored file.';
COMMENT ON COLUMN compliance.evidence.subjects IS 'How many subjects it covers, frozen when it was accepted.';

-- ----------------------------------------------------------------- exceptions

CREATE TABLE registry.exceptions (
    exception_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    workspace text NOT NULL,
    test_id text NOT NULL,
    scope text NOT NULL CHECK (scope IN ('subject', 'project', 'pattern')),
    target text NOT NULL,
    owner text NOT NULL,
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    expires_at timestamptz NOT NULL,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE registry.exceptions IS
'Risks that somebody asks to accept until a date. target: a subject''s uuid, a project key or a slug glob.';

CREATE TABLE registry.exception_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exception_id uuid NOT NULL REFERENCES registry.exceptions,
    decision text NOT NULL CHECK (decision IN ('accepted', 'rejected', 'withdrawn')),
    decided_by text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    reason text
);
CREATE UNIQUE INDEX exception_decided_once ON registry.exception_decisions (exception_id)
WHERE decision IN ('accepted', 'rejected');
CREATE UNIQUE INDEX exception_withdrawn_once ON registry.exception_decisions (exception_id)
WHERE decision = 'withdrawn';
COMMENT ON TABLE registry.exception_decisions IS
'What became of an exception: accepted or rejected once by somebody who neither owns nor asked for it, withdrawn once.';

CREATE TABLE registry.exception_subjects (
    exception_id uuid NOT NULL REFERENCES registry.exceptions,
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    facts_hash text NOT NULL,
    PRIMARY KEY (exception_id, subject_id)
);
CREATE INDEX exception_subjects_by_subject ON registry.exception_subjects (workspace, test_id, subject_id);
COMMENT ON TABLE registry.exception_subjects IS
'The failing subjects that an exception covers, with the hash of the facts that were accepted.';

CREATE VIEW registry.exception_states AS
SELECT
    exceptions.*,
    CASE
        WHEN withdrawals.decision_id IS NOT null THEN 'withdrawn'
        ELSE coalesce(decisions.decision, 'requested')
    END AS status,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_by END AS approver,
    CASE WHEN decisions.decision = 'accepted' THEN decisions.decided_at END AS approved_at,
    coalesce(withdrawals.decided_by, decisions.decided_by) AS decided_by,
    coalesce(withdrawals.decided_at, decisions.decided_at) AS decided_at,
    coalesce(withdrawals.reason, decisions.reason) AS decision_reason
FROM registry.exceptions AS exceptions
LEFT JOIN registry.exception_decisions AS decisions
    ON exceptions.exception_id = decisions.exception_id AND decisions.decision IN ('accepted', 'rejected')
LEFT JOIN registry.exception_decisions AS withdrawals
    ON exceptions.exception_id = withdrawals.exception_id AND withdrawals.decision = 'withdrawn';
COMMENT ON VIEW registry.exception_states IS
'Exceptions with their state: requested, accepted, rejected or withdrawn; expiry is a matter of the clock.';

CREATE TABLE compliance.exception_endings (
    exception_id uuid NOT NULL,
    workspace text NOT NULL,
    test_id text NOT NULL,
    subject_id text NOT NULL,
    facts_hash text NOT NULL,
    ended_at timestamptz NOT NULL,
    cause text NOT NULL CHECK (cause IN ('expired', 'facts_changed', 'withdrawn')),
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
'expired, withdrawn, or facts_changed: other facts decide, or the subject does not fail any more or is gone.';
COMMENT ON COLUMN compliance.exception_endings.status_then IS
'Status published when the ending was noted; null: the subject or its test is gone.';
COMMENT ON COLUMN compliance.exception_endings.facts_hash_then IS
'Hash of the facts that decided when the ending was noted; null: the subject or its test is gone.';
COMMENT ON COLUMN compliance.exception_endings.run_id IS 'Run that noted it; null: housekeeping, between two runs.';

-- --------------------------------------------------------------------- policy

CREATE TABLE registry.policy_overrides (
    override_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    body jsonb NOT NULL,
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now(),
    reason text
);
COMMENT ON TABLE registry.policy_overrides IS
'What a workspace''s policy changes in the defaults, with its history; the newest row is in force, {} takes it back.';

-- --------------------------------------------------------- framework mapping

CREATE TABLE compliance.test_controls (
    test_id text NOT NULL,
    framework text NOT NULL,
    control text NOT NULL,
    strength text NOT NULL CHECK (strength IN ('primary', 'supporting')),
    source text NOT NULL,
    note text,
    PRIMARY KEY (test_id, framework, control)
);
COMMENT ON TABLE compliance.test_controls IS 'Which control of which framework a test gives evidence for.';
COMMENT ON COLUMN compliance.test_controls.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.test_controls.framework IS 'Framework with its edition.';
COMMENT ON COLUMN compliance.test_controls.control IS 'Control as the framework numbers it.';
COMMENT ON COLUMN compliance.test_controls.strength IS 'primary: the control asks for this; supporting: it is a part of what the control asks for.';
COMMENT ON COLUMN compliance.test_controls.source IS 'The document that the mapping rests on.';
COMMENT ON COLUMN compliance.test_controls.note IS 'Where the control asks for more or other than the test sees.';

-- --------------------------------------------------------------------- grants

REVOKE EXECUTE ON FUNCTION registry.valid_evidence(text, text, date, integer) FROM public;
GRANT EXECUTE ON FUNCTION registry.valid_evidence(text, text, date, integer) TO compliance_pipeline, compliance_console;
GRANT SELECT, INSERT ON
registry.evidence_decisions,
registry.evidence_subjects,
registry.exceptions,
registry.exception_decisions,
registry.exception_subjects,
registry.policy_overrides
TO compliance_pipeline, compliance_console;
GRANT SELECT ON registry.evidence_states, registry.exception_states, registry.unmatched_evidence_rows
TO compliance_pipeline, compliance_console;
-- Accepting evidence freezes which subjects it covers.
GRANT USAGE ON SCHEMA staging TO compliance_console;
GRANT SELECT ON staging.repositories, staging.members, staging.member_emails, staging.workspaces TO compliance_console;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA registry TO compliance_pipeline, compliance_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON compliance.test_controls TO compliance_pipeline;
GRANT SELECT, INSERT ON compliance.exception_endings TO compliance_pipeline;
GRANT SELECT ON compliance.evidence TO compliance_pipeline, compliance_console, compliance_reader;
GRANT SELECT ON compliance.test_controls TO compliance_console, compliance_reader;
