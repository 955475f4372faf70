-- Purpose: the figures of a workspace, or of all, that go to Airflow's metrics; ages in seconds.

SELECT
    operations.workspace,
    operations.requests_in_a_day,
    operations.requests_left,
    CASE
        WHEN coalesce(hour.stated_limit, operations.requests_per_hour) < hour.requests THEN 0
        ELSE coalesce(hour.stated_limit, operations.requests_per_hour) - hour.requests
    END AS requests_left_this_hour,
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
-- The hour of the consumer that the workspace is read with, which it may share with others.
LEFT JOIN LATERAL (
    SELECT
        used.stated_limit,
        used.requests
    FROM integration.request_shares AS shares
    INNER JOIN integration.request_use AS used ON shares.consumer = used.consumer
    WHERE shares.spender = operations.workspace
    ORDER BY shares.seen_at DESC
    LIMIT 1
) AS hour ON true
WHERE %(workspace)s::text IS null OR operations.workspace = %(workspace)s;
