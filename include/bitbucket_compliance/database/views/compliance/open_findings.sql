-- Purpose: the findings that are open, with their age, also where they can't be read at the moment.

CREATE VIEW compliance.open_findings AS
SELECT
    findings.finding_id,
    findings.workspace,
    findings.test_id,
    tests.test_title,
    coalesce(results.severity, findings.severity) AS severity,
    findings.subject_type,
    findings.subject_id,
    coalesce(results.subject_name, findings.subject_name) AS subject_name,
    repositories.project_key,
    results.status,
    coalesce(results.reason_code, findings.reason_code) AS reason_code,
    results.reason,
    results.remediation,
    findings.found_at AS failing_since,
    findings.due_at,
    floor(findings.days_open)::integer AS age_days,
    CASE
        WHEN findings.days_open < 7 THEN '0 to 6 days'
        WHEN findings.days_open < 30 THEN '7 to 29 days'
        WHEN findings.days_open < 90 THEN '30 to 89 days'
        ELSE '90 days and more'
    END AS age_group,
    findings.overdue AS is_overdue,
    results.exception_id,
    results.is_stale,
    findings.assigned_to
FROM compliance.findings AS findings
INNER JOIN compliance.tests AS tests ON findings.test_id = tests.test_id
LEFT JOIN compliance.current_results AS results
    ON
        findings.workspace = results.workspace
        AND findings.test_id = results.test_id
        AND findings.subject_id = results.subject_id
LEFT JOIN compliance.repositories AS repositories
    ON findings.workspace = repositories.workspace AND findings.subject_id = repositories.repository_id
WHERE findings.ended_at IS null;

COMMENT ON VIEW compliance.open_findings IS
'The findings that are open, also where they can''t be read at the moment (status pending or error) or are out of sight (status null), with their age.';
COMMENT ON COLUMN compliance.open_findings.finding_id IS 'Id of the finding; see findings.';
COMMENT ON COLUMN compliance.open_findings.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.open_findings.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.open_findings.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.open_findings.severity IS 'Severity.';
COMMENT ON COLUMN compliance.open_findings.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.open_findings.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.open_findings.subject_name IS 'Name of the subject.';
COMMENT ON COLUMN compliance.open_findings.project_key IS 'Project of a repository; null for other subjects.';
COMMENT ON COLUMN compliance.open_findings.status IS 'failing, or pending or error where it can''t be told at the moment.';
COMMENT ON COLUMN compliance.open_findings.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.open_findings.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.open_findings.remediation IS 'What a person does next.';
COMMENT ON COLUMN compliance.open_findings.failing_since IS 'When it was found.';
COMMENT ON COLUMN compliance.open_findings.due_at IS 'When it has to be fixed.';
COMMENT ON COLUMN compliance.open_findings.age_days IS 'Whole days since it was found.';
COMMENT ON COLUMN compliance.open_findings.age_group IS 'Its age in groups, for charts.';
COMMENT ON COLUMN compliance.open_findings.is_overdue IS 'Past its due date, and nobody accepted the risk.';
COMMENT ON COLUMN compliance.open_findings.exception_id IS 'Accepted exception that covers it.';
COMMENT ON COLUMN compliance.open_findings.is_stale IS 'Whether the verdict is past its freshness, computed when read.';
COMMENT ON COLUMN compliance.open_findings.assigned_to IS 'Who is to see to it; null: nobody.';

GRANT SELECT ON compliance.open_findings TO compliance_pipeline, compliance_console, compliance_reader;
