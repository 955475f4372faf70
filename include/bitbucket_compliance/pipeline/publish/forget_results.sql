-- Purpose: drop current results of subjects that left the workspace and of tests that were switched off. A run that
-- judged not all knows only of repositories who left.

DELETE FROM compliance.results AS results
WHERE
    results.workspace = %(workspace)s
    AND results.run_id <> %(run_id)s
    AND (
        %(subjects)s::text[] IS null
        OR results.test_id <> all(%(test_ids)s::text[])
        OR (
            results.subject_type = 'repository'
            AND NOT EXISTS (
                SELECT 1
                FROM staging.repositories AS repositories
                WHERE
                    repositories.workspace = results.workspace
                    AND repositories.repository_id = results.subject_id
            )
        )
    );
