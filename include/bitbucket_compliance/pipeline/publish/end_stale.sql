-- Purpose: end the stale periods of results that were confirmed, or that are gone.

UPDATE compliance.stale_records AS noted
SET stale_to = %(published_at)s
WHERE
    noted.workspace = %(workspace)s
    AND noted.stale_to IS null
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.results AS results
        WHERE
            results.workspace = noted.workspace
            AND results.test_id = noted.test_id
            AND results.subject_id = noted.subject_id
            AND coalesce(results.fresh_until < %(published_at)s, true)
    );
