-- Purpose: one row for each current result with all that charts ask of it: project, owner, weight, age, lateness.

CREATE VIEW compliance.result_overview AS
SELECT
    results.workspace,
    results.workspace_id,
    results.test_id,
    results.test_title,
    results.severity,
    weights.weight,
    results.subject_type,
    results.subject_id,
    results.subject_name,
    repositories.project_key,
    repositories.owner,
    repositories.classification,
    results.status,
    results.basis,
    results.reason_code,
    results.reason,
    codes.meaning,
    codes.remediation,
    results.status_since,
    results.failing_since,
    results.due_at,
    results.exception_id,
    results.failing_since IS NOT null AS is_open,
    results.failing_since IS NOT null AND results.due_at < now() AND results.exception_id IS null AS is_overdue,
    CASE
        WHEN results.failing_since IS null THEN null
        WHEN results.exception_id IS NOT null THEN 'risk accepted'
        WHEN results.due_at < now() THEN 'past due'
        ELSE 'not due yet'
    END AS due,
    floor(ages.days)::integer AS age_days,
    CASE
        WHEN ages.days < 7 THEN '0 to 6 days'
        WHEN ages.days < 30 THEN '7 to 29 days'
        WHEN ages.days < 90 THEN '30 to 89 days'
        WHEN ages.days >= 90 THEN '90 days and more'
    END AS age_group,
    CASE
        WHEN ages.days < 7 THEN 1
        WHEN ages.days < 30 THEN 2
        WHEN ages.days < 90 THEN 3
        WHEN ages.days >= 90 THEN 4
    END AS age_order,
    results.is_stale,
    results.bypassed,
    results.status = 'passing' AND NOT results.is_stale AND coalesce(results.bypassed, 0) = 0 AS is_effective,
    CASE results.status WHEN 'passing' THEN weights.weight ELSE 0 END AS weighted_passing,
    CASE WHEN results.status IN ('passing', 'failing') THEN weights.weight ELSE 0 END AS weighted_decided,
    results.data_as_of,
    '/compliance/tests/' || results.test_id || '/' || replace(replace(results.subject_id, '{', '%7B'), '}', '%7D')
    || '?workspace=' || results.workspace AS console_path
FROM compliance.current_results AS results
INNER JOIN compliance.severity_weights AS weights ON results.severity = weights.severity
LEFT JOIN compliance.repositories AS repositories
    ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
CROSS JOIN LATERAL (VALUES (extract(EPOCH FROM now() - results.failing_since) / 86400)) AS ages (days);

COMMENT ON VIEW compliance.result_overview IS
'One row for each current result with all that charts ask of it: project, owner, weight, age, lateness.';
COMMENT ON COLUMN compliance.result_overview.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.result_overview.workspace_id IS
'Bitbucket''s uuid of the workspace, with braces; null: it was never read.';
COMMENT ON COLUMN compliance.result_overview.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.result_overview.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.result_overview.severity IS 'Severity.';
COMMENT ON COLUMN compliance.result_overview.weight IS 'What a verdict of this severity weighs in a score.';
COMMENT ON COLUMN compliance.result_overview.subject_type IS 'repository, member or workspace.';
COMMENT ON COLUMN compliance.result_overview.subject_id IS 'Bitbucket''s uuid of the subject, with braces.';
COMMENT ON COLUMN compliance.result_overview.subject_name IS 'Name of the subject.';
COMMENT ON COLUMN compliance.result_overview.project_key IS 'Project of a repository; null for other subjects.';
COMMENT ON COLUMN compliance.result_overview.owner IS 'Owner of a repository as declared; null for other subjects.';
COMMENT ON COLUMN compliance.result_overview.classification IS
'production or non_production, as declared; null for other subjects.';
COMMENT ON COLUMN compliance.result_overview.status IS 'passing, failing, pending, error or not_applicable.';
COMMENT ON COLUMN compliance.result_overview.basis IS
'What decided: configuration, behaviour, evidence, registry; null where nothing could.';
COMMENT ON COLUMN compliance.result_overview.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.result_overview.reason IS 'The reason as a sentence.';
COMMENT ON COLUMN compliance.result_overview.meaning IS 'What the reason code means.';
COMMENT ON COLUMN compliance.result_overview.remediation IS 'What a person does next.';
COMMENT ON COLUMN compliance.result_overview.status_since IS 'Since when the status has been this one.';
COMMENT ON COLUMN compliance.result_overview.failing_since IS
'Since when the subject fails; null: it has no open finding.';
COMMENT ON COLUMN compliance.result_overview.due_at IS 'When the failure has to be fixed.';
COMMENT ON COLUMN compliance.result_overview.exception_id IS 'Accepted exception that covers it.';
COMMENT ON COLUMN compliance.result_overview.is_open IS
'Whether it has an open finding, also where it can''t be told at the moment.';
COMMENT ON COLUMN compliance.result_overview.is_overdue IS
'Whether it is open, past its due date, and nobody accepted the risk.';
COMMENT ON COLUMN compliance.result_overview.due IS
'risk accepted, past due or not due yet; null: it has no open finding.';
COMMENT ON COLUMN compliance.result_overview.age_days IS 'Whole days since it was found; null: it has no open finding.';
COMMENT ON COLUMN compliance.result_overview.age_group IS 'Its age in groups, for charts.';
COMMENT ON COLUMN compliance.result_overview.age_order IS 'Place of the group of ages, from 1.';
COMMENT ON COLUMN compliance.result_overview.is_stale IS
'Whether the verdict is past its freshness, computed when read.';
COMMENT ON COLUMN compliance.result_overview.bypassed IS
'How many merges in the window went around a rule that was in force; null where that is not known, and for other tests.';
COMMENT ON COLUMN compliance.result_overview.is_effective IS
'Whether it is known now that it passes: neither stale nor bypassed.';
COMMENT ON COLUMN compliance.result_overview.weighted_passing IS
'The weight where it passes, else 0: the sum over any rows, divided by that of weighted_decided, is their score.';
COMMENT ON COLUMN compliance.result_overview.weighted_decided IS 'The weight where it passes or fails, else 0.';
COMMENT ON COLUMN compliance.result_overview.data_as_of IS 'When the data that decided was read.';
COMMENT ON COLUMN compliance.result_overview.console_path IS
'Its page in the console, below the address of Airflow''s API server.';

GRANT SELECT ON compliance.result_overview TO compliance_pipeline, compliance_console, compliance_reader;
