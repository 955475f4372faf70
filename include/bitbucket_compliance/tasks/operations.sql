-- Purpose: the figures of a workspace, or of all, that go to Airflow's metrics; ages in seconds.

SELECT
    operations.workspace,
    operations.requests_in_a_day,
    operations.requests_left,
    operations.coverage,
    operations.verdicts,
    operations.undecided,
    operations.stale,
    operations.changed_in_last_run,
    operations.events_waiting,
    operations.step_seconds,
    extract(EPOCH FROM now() - operations.oldest_event_at) AS oldest_event_age,
    extract(EPOCH FROM now() - operations.oldest_reading_at) AS oldest_reading_age,
    extract(EPOCH FROM now() - operations.whole_run_published_at) AS published_age,
    (
        SELECT count(*) FROM compliance.alerts AS alerts WHERE alerts.workspace IN (operations.workspace, '')
    ) AS alerts
FROM compliance.operations AS operations
WHERE %(workspace)s::text IS null OR operations.workspace = %(workspace)s;
