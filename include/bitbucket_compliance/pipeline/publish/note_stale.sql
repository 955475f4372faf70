-- Purpose: note which results are past their freshness and were not noted as such. Asked before results are written, it
-- tells since when they were; asked afterwards, what is published past its freshness.

INSERT INTO compliance.stale_records (workspace, test_id, subject_id, stale_from, workspace_id)
SELECT
    results.workspace,
    results.test_id,
    results.subject_id,
    -- fresh_until itself is the last instant at which it is fresh
    CASE
        WHEN %(is_written)s THEN %(published_at)s
        ELSE results.fresh_until + interval '1 microsecond'
    END AS stale_from,
    results.workspace_id
FROM compliance.results AS results
WHERE
    results.workspace = %(workspace)s
    AND (
        results.fresh_until + interval '1 microsecond' < %(published_at)s
        OR (%(is_written)s AND coalesce(results.fresh_until < %(published_at)s, true))
    )
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.stale_records AS noted
        WHERE
            noted.workspace = results.workspace
            AND noted.test_id = results.test_id
            AND noted.subject_id = results.subject_id
            AND noted.stale_to IS null
    )
-- Only a clock that was put back lets the same instant come up again.
ON CONFLICT (workspace, test_id, subject_id, stale_from) DO NOTHING;
