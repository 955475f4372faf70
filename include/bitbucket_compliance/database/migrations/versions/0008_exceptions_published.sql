-- Purpose: exceptions on published results: what readers see of them, and an expiry that is computed when it is read.

-- -------------------------------------------------------------------- results

ALTER TABLE compliance.results ADD COLUMN exception_expires_at timestamptz;
COMMENT ON COLUMN compliance.results.exception_expires_at IS 'Until when exception_id covers this failure.';

-- An exception that has expired covers nothing, even where no run has published since.
CREATE OR REPLACE VIEW compliance.current_results AS
SELECT
    workspace,
    test_id,
    test_title,
    severity,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    remediation,
    detail,
    first_seen_at,
    status_since,
    failing_since,
    due_at,
    CASE WHEN exception_expires_at > now() THEN exception_id END AS exception_id,
    data_as_of,
    fresh_until,
    coalesce(fresh_until < now(), true) AS is_stale,
    evaluated_at,
    run_id,
    policy_version,
    facts_hash
FROM compliance.results;
COMMENT ON COLUMN compliance.current_results.exception_id IS
'Accepted exception that covers this failure; null from its expiry on, computed when read.';
COMMENT ON COLUMN compliance.current_results.fresh_until IS
'Until when the verdict may be relied on: its data is recent enough, and evidence behind it is within its validity.';
COMMENT ON COLUMN compliance.results.fresh_until IS
'Until when the verdict may be relied on: its data is recent enough, and evidence behind it is within its validity.';

-- What a publication ended is found by when it ended it.
CREATE INDEX result_history_ended ON compliance.result_history (workspace, valid_to) WHERE valid_to IS NOT null;
-- What an exception covers, or covered, is little beside the whole.
CREATE INDEX result_history_excepted ON compliance.result_history (exception_id) WHERE exception_id IS NOT null;

-- ----------------------------------------------------------------- exceptions

CREATE VIEW compliance.exceptions AS
WITH subjects AS (
    SELECT
        subjects.exception_id,
        count(*) AS subjects,
        count(*) FILTER (WHERE endings.cause = 'facts_changed') AS changed
    FROM registry.exception_subjects AS subjects
    LEFT JOIN compliance.exception_endings AS endings
        ON subjects.exception_id = endings.exception_id AND subjects.subject_id = endings.subject_id
    GROUP BY subjects.exception_id
),

covered AS (
    SELECT
        results.exception_id,
        count(*) AS subjects
    FROM compliance.results AS results
    WHERE results.exception_expires_at > now()
    GROUP BY results.exception_id
)

SELECT
    states.exception_id,
    states.workspace,
    states.test_id,
    states.scope,
    states.target,
    states.owner,
    states.reason,
    states.requested_by,
    states.requested_at,
    CASE
        WHEN states.status IN ('rejected', 'withdrawn') THEN states.status
        WHEN subjects.changed = subjects.subjects THEN 'reopened'
        WHEN states.expires_at <= now() THEN 'expired'
        ELSE states.status
    END AS status,
    states.approver,
    states.approved_at,
    states.decided_by,
    states.decided_at,
    states.decision_reason,
    states.expires_at,
    coalesce(subjects.subjects, 0) AS subjects,
    coalesce(covered.subjects, 0) AS subjects_covered
FROM registry.exception_states AS states
LEFT JOIN subjects ON states.exception_id = subjects.exception_id
LEFT JOIN covered ON states.exception_id = covered.exception_id;
COMMENT ON VIEW compliance.exceptions IS
'Risks that were accepted until a date, or are asked to be: who owns them, who approved, and what they still cover.';
COMMENT ON COLUMN compliance.exceptions.exception_id IS 'Id of the exception.';
COMMENT ON COLUMN compliance.exceptions.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exceptions.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.exceptions.scope IS 'subject, project or pattern.';
COMMENT ON COLUMN compliance.exceptions.target IS 'Uuid of the subject, key of the project, or slug glob.';
COMMENT ON COLUMN compliance.exceptions.owner IS 'Who owns the risk.';
COMMENT ON COLUMN compliance.exceptions.reason IS 'Why the risk is to be accepted.';
COMMENT ON COLUMN compliance.exceptions.requested_by IS 'Who asked for it.';
COMMENT ON COLUMN compliance.exceptions.requested_at IS 'When.';
COMMENT ON COLUMN compliance.exceptions.status IS
'requested, accepted, rejected, withdrawn, expired (computed when read), or reopened: other facts came up, or none, for every subject it covered.';
COMMENT ON COLUMN compliance.exceptions.approver IS 'Who accepted it; null: nobody.';
COMMENT ON COLUMN compliance.exceptions.approved_at IS 'When it was accepted.';
COMMENT ON COLUMN compliance.exceptions.decided_by IS 'Who accepted, rejected or, last, withdrew it.';
COMMENT ON COLUMN compliance.exceptions.decided_at IS 'When.';
COMMENT ON COLUMN compliance.exceptions.decision_reason IS 'What they said about it.';
COMMENT ON COLUMN compliance.exceptions.expires_at IS 'From when it covers nothing any more.';
COMMENT ON COLUMN compliance.exceptions.subjects IS 'Failing subjects in its scope when it was accepted: it covers no others.';
COMMENT ON COLUMN compliance.exceptions.subjects_covered IS 'Subjects whose current result shows it.';

CREATE VIEW compliance.exception_subjects AS
SELECT
    subjects.exception_id,
    subjects.workspace,
    subjects.test_id,
    subjects.subject_id,
    subjects.facts_hash,
    endings.ended_at,
    endings.cause
FROM registry.exception_subjects AS subjects
LEFT JOIN compliance.exception_endings AS endings
    ON subjects.exception_id = endings.exception_id AND subjects.subject_id = endings.subject_id;
COMMENT ON VIEW compliance.exception_subjects IS
'The failures that an exception was accepted for, and whether it still stands for them.';
COMMENT ON COLUMN compliance.exception_subjects.exception_id IS 'The exception.';
COMMENT ON COLUMN compliance.exception_subjects.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.exception_subjects.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.exception_subjects.subject_id IS 'Subject that failed when the exception was accepted.';
COMMENT ON COLUMN compliance.exception_subjects.facts_hash IS 'Hash of the facts that were accepted.';
COMMENT ON COLUMN compliance.exception_subjects.ended_at IS 'When it stopped to cover the subject; null: no end was noted.';
COMMENT ON COLUMN compliance.exception_subjects.cause IS 'Why; see exception_endings.';

-- -------------------------------------------------------------------- history

-- An interval is split at the expiry of its exception when the next publication, or housekeeping, comes by; until then
-- the expiry counts here as it does in current_results.
CREATE OR REPLACE FUNCTION compliance.results_as_of(as_of timestamptz) RETURNS SETOF compliance.result_history
LANGUAGE sql STABLE
AS $as_of$
    SELECT history.*
    FROM compliance.result_history AS history
    WHERE
        history.valid_from <= as_of
        AND (history.valid_to IS NULL OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND NOT EXISTS (
            SELECT 1 FROM compliance.exceptions AS exceptions
            WHERE exceptions.exception_id = history.exception_id AND exceptions.expires_at <= as_of
        )
    UNION ALL
    SELECT (jsonb_populate_record(history, '{"exception_id": null}')).*
    FROM compliance.result_history AS history
    INNER JOIN compliance.exceptions AS exceptions ON history.exception_id = exceptions.exception_id
    WHERE
        history.exception_id IS NOT NULL
        AND history.valid_from <= as_of
        AND (history.valid_to IS NULL OR history.valid_to > as_of)
        AND history.reason_code NOT IN ('removed_or_invisible', 'test_disabled')
        AND exceptions.expires_at <= as_of
$as_of$;

-- --------------------------------------------------------------------- grants

GRANT SELECT ON
compliance.exceptions, compliance.exception_subjects, compliance.exception_endings
TO compliance_pipeline, compliance_console, compliance_reader;
-- Patterns of an exception are matched where it is asked for and accepted.
GRANT USAGE ON SCHEMA staging TO compliance_console;
GRANT EXECUTE ON FUNCTION staging.glob_matches(text, text) TO compliance_console;
