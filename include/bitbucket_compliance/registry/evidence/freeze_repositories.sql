-- Purpose: freeze which repositories evidence covers: those in its scope that existed on the day of capture.
-- One whose day of creation Bitbucket didn't tell counts as existing.

INSERT INTO registry.evidence_subjects (evidence_id, workspace, subject_type, subject_id, subject_name)
SELECT
    evidence.evidence_id,
    repositories.workspace,
    'repository' AS subject_type,
    repositories.repository_id,
    repositories.slug
FROM registry.evidence AS evidence
INNER JOIN staging.repositories AS repositories ON evidence.workspace = lower(repositories.workspace)
WHERE
    evidence.evidence_id = %(evidence_id)s::uuid
    AND (
        repositories.created_on IS null
        OR repositories.created_on < (evidence.captured_on + 1)::timestamp AT TIME ZONE %(time_zone)s
    )
    AND CASE evidence.scope
        WHEN 'workspace' THEN true
        WHEN 'project' THEN lower(repositories.project_key) = any(evidence.targets)
        ELSE
            lower(repositories.repository_id) = any(evidence.targets)
            OR (
                lower(repositories.slug) = any(evidence.targets)
                -- Deleted and made again: the slug is the one's that was listed last.
                AND NOT EXISTS (
                    SELECT 1
                    FROM staging.repositories AS others
                    WHERE
                        others.workspace = repositories.workspace
                        AND lower(others.slug) = lower(repositories.slug)
                        AND (others.data_as_of, coalesce(others.created_on, '-infinity'))
                        > (repositories.data_as_of, coalesce(repositories.created_on, '-infinity'))
                )
            )
    END;
