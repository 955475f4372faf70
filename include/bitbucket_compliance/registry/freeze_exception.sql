-- Purpose: freeze what an exception covers: the subjects in its scope that fail now, with the facts that decided.

INSERT INTO registry.exception_subjects (exception_id, workspace, test_id, subject_id, facts_hash)
SELECT
    exceptions.exception_id,
    results.workspace,
    results.test_id,
    results.subject_id,
    results.facts_hash
FROM registry.exceptions AS exceptions
INNER JOIN compliance.results AS results
    ON exceptions.workspace = results.workspace AND exceptions.test_id = results.test_id
LEFT JOIN compliance.repositories AS repositories
    ON results.workspace = repositories.workspace AND results.subject_id = repositories.repository_id
WHERE
    exceptions.exception_id = %(exception_id)s
    AND results.status = 'failing'
    AND CASE exceptions.scope
        WHEN 'subject' THEN results.subject_id = exceptions.target
        WHEN 'project' THEN lower(repositories.project_key) = lower(exceptions.target)
        ELSE
            results.subject_type = 'repository'
            AND staging.glob_matches(lower(exceptions.target), lower(results.subject_name))
    END;
