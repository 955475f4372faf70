-- Purpose: one row for each stretch of time in which a subject failed a test, open or ended.

CREATE VIEW compliance.findings AS
WITH stretches AS (
    SELECT
        history.*,
        -- A finding goes on through pending and error, and ends where the subject passes or the test no longer applies.
        count(*) FILTER (WHERE history.status IN ('passing', 'not_applicable')) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS stretch,
        lead(history.status) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS next_status,
        lead(history.reason_code) OVER (
            PARTITION BY history.workspace, history.test_id, history.subject_id
            ORDER BY history.valid_from
        ) AS next_reason_code
    FROM compliance.result_history AS history
),

found AS (
    SELECT
        stretches.workspace,
        stretches.test_id,
        stretches.subject_type,
        stretches.subject_id,
        (array_agg(stretches.subject_name ORDER BY stretches.valid_from DESC))[1] AS subject_name,
        (array_agg(stretches.severity ORDER BY stretches.valid_from DESC))[1] AS severity,
        (array_agg(stretches.reason_code ORDER BY stretches.valid_from) FILTER (
            WHERE stretches.status = 'failing'
        ))[1] AS first_reason_code,
        (array_agg(stretches.policy_version ORDER BY stretches.valid_from DESC))[1] AS policy_version,
        min(stretches.valid_from) FILTER (WHERE stretches.status = 'failing') AS failing_since,
        CASE WHEN bool_and(stretches.valid_to IS NOT null) THEN max(stretches.valid_to) END AS ended_at,
        (array_agg(stretches.next_status ORDER BY stretches.valid_from DESC))[1] AS ended_as,
        (array_agg(stretches.next_reason_code ORDER BY stretches.valid_from DESC))[1] AS ended_reason_code,
        bool_or(stretches.exception_id IS NOT null) AS was_excepted
    FROM stretches
    WHERE stretches.status IN ('failing', 'pending', 'error')
    GROUP BY
        stretches.workspace,
        stretches.test_id,
        stretches.subject_type,
        stretches.subject_id,
        stretches.stretch
    HAVING bool_or(stretches.status = 'failing')
),

dated AS (
    SELECT
        found.*,
        found.failing_since + make_interval(
            days => (policies.body #>> ARRAY['thresholds', 'due_days_' || found.severity])::integer
        ) AS due_at
    FROM found
    INNER JOIN registry.policy_versions AS policies ON found.policy_version = policies.policy_version
)

SELECT
    dated.workspace,
    dated.test_id,
    dated.subject_type,
    dated.subject_id,
    dated.subject_name,
    dated.severity,
    dated.first_reason_code,
    dated.failing_since,
    dated.due_at,
    dated.ended_at,
    CASE WHEN dated.ended_at IS NOT null THEN dated.ended_as END AS ended_as,
    CASE WHEN dated.ended_at IS NOT null THEN dated.ended_reason_code END AS ended_reason_code,
    round(extract(EPOCH FROM coalesce(dated.ended_at, now()) - dated.failing_since) / 86400, 2) AS days_open,
    CASE
        WHEN dated.ended_as = 'passing' AND dated.ended_at IS NOT null
            THEN round(extract(EPOCH FROM dated.ended_at - dated.failing_since) / 86400, 2)
    END AS days_to_fix,
    coalesce(dated.ended_at, now()) > dated.due_at AS is_late,
    dated.was_excepted
FROM dated;

COMMENT ON VIEW compliance.findings IS
'One row for each stretch of time in which a subject failed a test, open or ended: what was found when, and how long it took.';
COMMENT ON COLUMN compliance.findings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.findings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.findings.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.findings.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.findings.subject_name IS 'Its newest name in that time.';
COMMENT ON COLUMN compliance.findings.severity IS 'Severity, the newest in that time.';
COMMENT ON COLUMN compliance.findings.first_reason_code IS 'Reason it was found for.';
COMMENT ON COLUMN compliance.findings.failing_since IS 'When it was found.';
COMMENT ON COLUMN compliance.findings.due_at IS 'When it had to be fixed under the policy.';
COMMENT ON COLUMN compliance.findings.ended_at IS 'When it ended; null: it is open.';
COMMENT ON COLUMN compliance.findings.ended_as IS 'passing: fixed; not_applicable: the subject left, was declared non-production, or the test was switched off.';
COMMENT ON COLUMN compliance.findings.ended_reason_code IS 'Reason code it ended with.';
COMMENT ON COLUMN compliance.findings.days_open IS 'Days from when it was found until it ended, or until now.';
COMMENT ON COLUMN compliance.findings.days_to_fix IS 'Days until it passed; null where it is open or ended otherwise.';
COMMENT ON COLUMN compliance.findings.is_late IS 'Whether it ended after due_at, or is open past it.';
COMMENT ON COLUMN compliance.findings.was_excepted IS 'Whether somebody accepted the risk for some of the time.';

GRANT SELECT ON compliance.findings TO compliance_pipeline, compliance_console, compliance_reader;
