-- Purpose: what fails now, with its age, also where it can't be read at the moment.

CREATE VIEW compliance.open_findings AS
SELECT
    results.workspace,
    results.test_id,
    results.test_title,
    results.severity,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    repositories.project_key,
    results.status,
    results.reason_code,
    results.reason,
    results.remediation,
    results.failing_since,
    results.due_at,
    floor(extract(EPOCH FROM now() - results.failing_since) / 86400)::integer AS age_days,
    CASE
        WHEN now() - results.failing_since < interval '7 days' THEN '0 to 6 days'
        WHEN now() - results.failing_since < interval '30 days' THEN '7 to 29 days'
        WHEN now() - results.failing_since < interval '90 days' THEN '30 to 89 days'
        ELSE '90 days and more'
    END AS age_group,
    results.due_at < now() AND results.exception_id IS null AS is_overdue,
    results.exception_id,
    results.is_stale
FROM compliance.current_results AS results
LEFT JOIN compliance.repositories AS repositories
    ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id
WHERE results.failing_since IS NOT null;

COMMENT ON VIEW compliance.open_findings IS
'What fails now, also where it can''t be read at the moment (status pending or error), with its age.';
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

GRANT SELECT ON compliance.open_findings TO compliance_pipeline, compliance_console, compliance_reader;
