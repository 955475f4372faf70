-- Purpose: the newest accepted evidence within its validity for each subject. about_project false: of any scope; true:
-- about the project alone, which stands for rules that the project hands down.

CREATE FUNCTION judging.evidence(in_workspace text, about_test text, today date, validity_days integer)
RETURNS TABLE (repository_id text, about_project boolean, evidence_id uuid, captured_on date)
LANGUAGE sql STABLE
AS $evidence$
    SELECT DISTINCT ON (valid.subject_id, counted.about_project)
        valid.subject_id,
        counted.about_project,
        valid.evidence_id,
        valid.captured_on
    FROM registry.valid_evidence(in_workspace, about_test, today, validity_days) AS valid
    INNER JOIN (VALUES (false), (true)) AS counted (about_project)
        ON NOT counted.about_project OR valid.scope = 'project'
    ORDER BY
        valid.subject_id ASC, counted.about_project ASC,
        valid.captured_on DESC, valid.submitted_at DESC, valid.evidence_id ASC
$evidence$;
