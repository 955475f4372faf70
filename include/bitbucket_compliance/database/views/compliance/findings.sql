-- Purpose: one row for each failure of a subject, from the day it was found to the day it ended.

CREATE VIEW compliance.findings AS
-- Those that an accepted exception covers now, or did when they ended.
WITH accepted AS (
    SELECT DISTINCT findings.finding_id
    FROM compliance.finding_records AS findings
    INNER JOIN registry.exception_coverage AS coverage
        ON
            findings.workspace = coverage.workspace
            AND findings.test_id = coverage.test_id
            AND findings.subject_id = coverage.subject_id
            AND coverage.covers_from BETWEEN findings.found_at AND coalesce(findings.ended_at, now())
            AND coverage.covers_until >= coalesce(findings.ended_at, now())
),

dated AS (
    SELECT
        findings.*,
        coalesce(findings.ended_at, now()) AS seen_at,
        accepted.finding_id IS NOT null AS accepted
    FROM compliance.finding_records AS findings
    LEFT JOIN accepted ON findings.finding_id = accepted.finding_id
)

SELECT
    dated.finding_id,
    dated.workspace,
    dated.test_id,
    dated.subject_type,
    dated.subject_id,
    dated.subject_name,
    dated.severity,
    dated.found_at,
    dated.found_basis,
    dated.reason_code,
    dated.due_at,
    dated.policy_version,
    dated.reopened_as,
    dated.ended_at,
    dated.ended_basis,
    dated.ended_because,
    dated.ended_reason_code,
    dated.ended_by,
    dated.accepted,
    dated.ended_at IS null AND dated.due_at < now() AND NOT dated.accepted AS overdue,
    greatest(round(extract(EPOCH FROM dated.seen_at - dated.due_at) / 86400, 2), 0) AS late_days,
    round(extract(EPOCH FROM dated.seen_at - dated.found_at) / 86400, 2) AS days_open,
    CASE
        WHEN dated.ended_because = 'fixed'
            THEN round(extract(EPOCH FROM dated.ended_at - dated.found_at) / 86400, 2)
    END AS days_to_fix,
    dated.workspace_id,
    assignments.assigned_to::text AS assigned_to,
    CASE WHEN assignments.assigned_to IS NOT null THEN assignments.assigned_at END AS assigned_at
FROM dated
LEFT JOIN registry.newest_finding_assignments AS assignments ON dated.finding_id = assignments.finding_id;

COMMENT ON VIEW compliance.findings IS
'One row for each failure of a subject, from the day it was found to the day it ended. Pending, error, a test that is switched off and a subject that is out of sight for one listing end nothing.';
COMMENT ON COLUMN compliance.findings.finding_id IS 'Id of the finding.';
COMMENT ON COLUMN compliance.findings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.findings.workspace_id IS 'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.findings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.findings.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.findings.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.findings.subject_name IS 'Its name when it was found; when it ended, if it ended by a verdict.';
COMMENT ON COLUMN compliance.findings.severity IS 'Severity when it was found.';
COMMENT ON COLUMN compliance.findings.found_at IS 'When it was found.';
COMMENT ON COLUMN compliance.findings.found_basis IS 'What it was found by: configuration, behaviour, evidence or registry.';
COMMENT ON COLUMN compliance.findings.reason_code IS 'Reason it was found for.';
COMMENT ON COLUMN compliance.findings.due_at IS
'When it has to be fixed, under the policy of the day it was found; no later policy moves it.';
COMMENT ON COLUMN compliance.findings.policy_version IS 'The policy of the day it was found.';
COMMENT ON COLUMN compliance.findings.reopened_as IS
'The ended finding of the same test and subject that this one follows; null: it is the first.';
COMMENT ON COLUMN compliance.findings.ended_at IS 'When it ended; null: it is open.';
COMMENT ON COLUMN compliance.findings.ended_basis IS 'What the verdict that ended it rests on; null where none did.';
COMMENT ON COLUMN compliance.findings.ended_because IS
'fixed: the subject passes; not_applicable: the test does not apply to it any more; removed: two whole listings lacked it.';
COMMENT ON COLUMN compliance.findings.ended_reason_code IS 'Reason code of the verdict that ended it; removed_or_invisible where the subject is gone.';
COMMENT ON COLUMN compliance.findings.ended_by IS
'Who declared the repository non-production, where that ended it; null otherwise.';
COMMENT ON COLUMN compliance.findings.accepted IS 'Whether an accepted exception covers it now, or did when it ended.';
COMMENT ON COLUMN compliance.findings.overdue IS
'Whether it is open, past due_at and not accepted, whatever its status shows meanwhile.';
COMMENT ON COLUMN compliance.findings.late_days IS 'Days past due_at, when it ended or until now; 0 where it is not late.';
COMMENT ON COLUMN compliance.findings.days_open IS 'Days from when it was found until it ended, or until now.';
COMMENT ON COLUMN compliance.findings.days_to_fix IS 'Days until it passed; null where it is open or ended otherwise.';
COMMENT ON COLUMN compliance.findings.assigned_to IS
'Who is to see to it, as airflow:login or os:login; null: nobody. It changes no verdict and no deadline.';
COMMENT ON COLUMN compliance.findings.assigned_at IS 'Since when; null: nobody is.';

GRANT SELECT ON compliance.findings TO compliance_pipeline, compliance_console, compliance_reader;
