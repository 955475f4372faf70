-- Purpose: close the run's row; one that did not publish by now has failed. Gives its status and its error.

UPDATE integration.runs AS runs
SET
    status = CASE WHEN runs.status = 'running' THEN 'failed' ELSE runs.status END,
    -- No step failed, so none has said why: a person marked the run, or its tasks, in Airflow.
    error = CASE
        WHEN runs.status = 'running' THEN coalesce(runs.error, 'it was stopped before it could publish')
        ELSE runs.error
    END,
    finished_at = coalesce(runs.finished_at, now()),
    requests_spent = coalesce(
        runs.requests_spent,
        (SELECT sum(calls.requests) FROM landing.calls AS calls WHERE calls.run_id = runs.run_id)
    )
WHERE runs.run_id = %(run_id)s
RETURNING runs.status, runs.error;
