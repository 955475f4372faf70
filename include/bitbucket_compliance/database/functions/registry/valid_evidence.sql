-- Purpose: accepted evidence about a test within its validity, a row for each subject of the workspace that it covers.

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

GRANT EXECUTE ON FUNCTION registry.valid_evidence(text, text, date, integer) TO compliance_pipeline, compliance_console;
