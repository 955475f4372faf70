-- Purpose: close the run as published, with what it read and what that cost.

UPDATE integration.runs AS runs
SET
    status = 'published',
    finished_at = now(),
    error = null,
    repositories = (
        SELECT count(*) FROM staging.repositories AS repositories
        WHERE repositories.workspace = %(workspace)s
    ),
    requests_spent = (
        SELECT coalesce(sum(calls.requests), 0) FROM landing.calls AS calls
        WHERE calls.workspace = %(workspace)s AND calls.run_id = %(run_id)s
    ),
    repositories_read = (
        SELECT count(*) FROM landing.repository_reads AS reads
        WHERE reads.workspace = %(workspace)s AND reads.run_id = %(run_id)s
    ),
    repositories_left = (
        SELECT count(*) FROM landing.work_items AS items
        WHERE items.workspace = %(workspace)s AND items.run_id = %(run_id)s AND items.left_over
    ),
    coverage = (
        SELECT coalesce(jsonb_object_agg(by_resource.resource, by_resource.outcomes), '{}')
        FROM (
            SELECT
                by_outcome.resource,
                jsonb_object_agg(by_outcome.outcome, by_outcome.calls) AS outcomes
            FROM (
                SELECT
                    calls.resource,
                    calls.outcome,
                    count(*) AS calls
                FROM landing.calls AS calls
                WHERE calls.workspace = %(workspace)s AND calls.run_id = %(run_id)s
                GROUP BY calls.resource, calls.outcome
            ) AS by_outcome
            GROUP BY by_outcome.resource
        ) AS by_resource
    )
WHERE runs.run_id = %(run_id)s;
