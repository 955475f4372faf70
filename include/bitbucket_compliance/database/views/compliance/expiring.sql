-- Purpose: accepted evidence and accepted risks that end within 30 days, with what they hold up now.

CREATE VIEW compliance.expiring AS
WITH evidence_used AS (
    SELECT
        results.evidence_id,
        results.workspace,
        count(*) AS results
    FROM compliance.current_results AS results
    WHERE results.evidence_id IS NOT null
    GROUP BY results.evidence_id, results.workspace
)

SELECT
    'evidence' AS kind,
    evidence.evidence_id::text AS id,
    coalesce(used.workspace, evidence.workspace) AS workspace,
    evidence.test_id,
    tests.test_title,
    evidence.scope,
    array_to_string(evidence.targets, ', ') AS targets,
    evidence.submitted_by AS person,
    evidence.valid_until AS ends_at,
    coalesce(used.results, 0) AS results
FROM compliance.evidence AS evidence
INNER JOIN compliance.tests AS tests ON evidence.test_id = tests.test_id
LEFT JOIN evidence_used AS used ON evidence.evidence_id = used.evidence_id
WHERE evidence.status = 'accepted' AND evidence.valid_until < now() + interval '30 days'
UNION ALL
SELECT
    'exception' AS kind,
    exceptions.exception_id::text AS id,
    exceptions.workspace,
    exceptions.test_id,
    tests.test_title,
    exceptions.scope,
    coalesce(
        (
            SELECT max(results.subject_name) FROM compliance.current_results AS results
            WHERE
                exceptions.scope = 'subject'
                AND results.workspace = exceptions.workspace
                AND results.test_id = exceptions.test_id
                AND results.subject_id = exceptions.target
        ),
        exceptions.target
    ) AS targets,
    exceptions.owner AS person,
    exceptions.expires_at AS ends_at,
    exceptions.subjects_covered AS results
FROM compliance.exceptions AS exceptions
INNER JOIN compliance.tests AS tests ON exceptions.test_id = tests.test_id
WHERE exceptions.status = 'accepted' AND exceptions.expires_at < now() + interval '30 days';

COMMENT ON VIEW compliance.expiring IS
'Accepted evidence and accepted risks that end within 30 days, with how many results rest on each now.';
COMMENT ON COLUMN compliance.expiring.kind IS 'evidence or exception.';
COMMENT ON COLUMN compliance.expiring.id IS 'The evidence''s or the exception''s id.';
COMMENT ON COLUMN compliance.expiring.workspace IS
'Workspace slug; null: evidence about no single workspace that no result rests on.';
COMMENT ON COLUMN compliance.expiring.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.expiring.test_title IS 'Title of the test.';
COMMENT ON COLUMN compliance.expiring.scope IS 'What it is about: workspace, project, repository, members, subject or pattern.';
COMMENT ON COLUMN compliance.expiring.targets IS 'Project keys, repositories, people or the pattern it names, by their names; empty: see scope.';
COMMENT ON COLUMN compliance.expiring.person IS 'Who submitted the evidence, or who owns the risk.';
COMMENT ON COLUMN compliance.expiring.ends_at IS 'From when on it holds up nothing any more.';
COMMENT ON COLUMN compliance.expiring.results IS 'Current results that rest on the evidence, or whose risk the exception accepts.';

GRANT SELECT ON compliance.expiring TO compliance_pipeline, compliance_console, compliance_reader;
