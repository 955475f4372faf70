-- Purpose: how the pipeline is doing, one row a workspace that a run was ever started for.

CREATE VIEW compliance.operations AS
WITH newest AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.status,
        runs.started_at
    FROM integration.runs AS runs
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

published AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.finished_at
    FROM integration.runs AS runs
    WHERE runs.status = 'published'
    ORDER BY runs.workspace ASC, runs.finished_at DESC
),

whole AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.run_id,
        runs.finished_at,
        runs.repositories_left,
        (runs.plan ->> 'per_hour')::integer AS requests_per_hour,
        (runs.plan ->> 'times_too_large')::numeric AS times_too_large
    FROM integration.runs AS runs
    WHERE runs.status = 'published' AND runs.kind = 'polling'
    ORDER BY runs.workspace ASC, runs.finished_at DESC
),

spent AS (
    SELECT
        runs.workspace,
        sum(runs.requests_spent) FILTER (WHERE runs.started_at > now() - interval '1 day') AS requests_in_a_day,
        sum(
            greatest(0, (runs.plan ->> 'requests')::bigint - coalesce(runs.requests_spent, 0))
        ) FILTER (WHERE runs.status = 'running') AS requests_left
    FROM integration.runs AS runs
    WHERE runs.started_at > now() - interval '7 days'
    GROUP BY runs.workspace
),

calls AS (
    SELECT
        coverage.workspace,
        coverage.repository_id,
        bool_and(coverage.outcome <> 'failed' AND (coverage.outcome <> 'ok' OR coverage.complete)) AS is_whole
    FROM staging.coverage AS coverage
    WHERE coverage.repository_id <> ''
    GROUP BY coverage.workspace, coverage.repository_id
),

covered AS (
    SELECT
        repositories.workspace,
        count(*) AS repositories,
        count(*) FILTER (WHERE calls.is_whole) AS read_whole
    FROM staging.repositories AS repositories
    LEFT JOIN calls
        ON repositories.workspace = calls.workspace AND repositories.repository_id = calls.repository_id
    GROUP BY repositories.workspace
),

verdicts AS (
    SELECT
        results.workspace,
        count(*) AS verdicts,
        count(*) FILTER (WHERE results.status IN ('pending', 'error')) AS undecided,
        count(*) FILTER (WHERE results.fresh_until < now()) AS stale,
        min(results.data_as_of) AS oldest_reading_at
    FROM compliance.results AS results
    GROUP BY results.workspace
),

events AS (
    SELECT
        waiting.workspace,
        count(*) AS events_waiting,
        min(waiting.received_at) AS oldest_event_at
    FROM integration.webhook_events AS waiting
    WHERE waiting.handled_at IS null
    GROUP BY waiting.workspace
),

steps AS (
    SELECT
        step_times.run_id,
        jsonb_object_agg(step_times.step, step_times.seconds) AS step_seconds
    FROM compliance.run_steps AS step_times
    GROUP BY step_times.run_id
),

digests AS (
    SELECT DISTINCT ON (links.workspace)
        links.workspace,
        links.digest
    FROM compliance.record_links AS links
    ORDER BY links.workspace ASC, links.link DESC
)

SELECT
    newest.workspace,
    newest.run_id AS last_run_id,
    newest.status AS last_run_status,
    newest.started_at AS last_run_at,
    published.run_id AS published_run_id,
    published.finished_at AS published_at,
    whole.finished_at AS whole_run_published_at,
    changes.changed AS changed_in_last_run,
    steps.step_seconds,
    whole.requests_per_hour,
    whole.times_too_large,
    coalesce(spent.requests_in_a_day, 0) AS requests_in_a_day,
    coalesce(spent.requests_left, 0) AS requests_left,
    coalesce(covered.repositories, 0) AS repositories,
    trunc(100.0 * covered.read_whole / nullif(covered.repositories, 0), 1) AS coverage,
    whole.repositories_left,
    coalesce(verdicts.verdicts, 0) AS verdicts,
    coalesce(verdicts.undecided, 0) AS undecided,
    coalesce(verdicts.stale, 0) AS stale,
    verdicts.oldest_reading_at,
    coalesce(events.events_waiting, 0) AS events_waiting,
    events.oldest_event_at,
    digests.digest AS newest_digest
FROM newest
LEFT JOIN published ON newest.workspace = published.workspace
LEFT JOIN whole ON newest.workspace = whole.workspace
LEFT JOIN spent ON newest.workspace = spent.workspace
LEFT JOIN covered ON newest.workspace = covered.workspace
LEFT JOIN verdicts ON newest.workspace = verdicts.workspace
LEFT JOIN events ON newest.workspace = events.workspace
LEFT JOIN steps ON published.run_id = steps.run_id
LEFT JOIN digests ON newest.workspace = digests.workspace
LEFT JOIN LATERAL (
    SELECT sum(publications.intervals_opened) AS changed
    FROM integration.publications AS publications
    WHERE publications.workspace = published.workspace AND publications.run_id = published.run_id
) AS changes ON true;

COMMENT ON VIEW compliance.operations IS 'How the pipeline is doing, one row a workspace that a run was ever started for.';
COMMENT ON COLUMN compliance.operations.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.operations.last_run_id IS 'The run that was started last; see runs.';
COMMENT ON COLUMN compliance.operations.last_run_status IS 'running, published, gate_failed, failed or superseded.';
COMMENT ON COLUMN compliance.operations.last_run_at IS 'When it was started.';
COMMENT ON COLUMN compliance.operations.published_run_id IS 'The run that published last; null: none has.';
COMMENT ON COLUMN compliance.operations.published_at IS 'When it did.';
COMMENT ON COLUMN compliance.operations.whole_run_published_at IS
'When a run that looks at everything published last; runs that answer events publish more often. Null: none has.';
COMMENT ON COLUMN compliance.operations.changed_in_last_run IS 'Verdicts that the run which published last changed or brought; null: not known.';
COMMENT ON COLUMN compliance.operations.step_seconds IS 'Seconds that each step of that run was at work (jsonb); see run_steps. Null: cleared away.';
COMMENT ON COLUMN compliance.operations.requests_per_hour IS 'Requests that Bitbucket or the connection allows in an hour, as the last whole run knew it; null: no limit, or no such run.';
COMMENT ON COLUMN compliance.operations.times_too_large IS 'How many times too large the workspaces of the connection are for its requests; null: they fit, or it is not known.';
COMMENT ON COLUMN compliance.operations.requests_in_a_day IS 'Requests that runs of the last 24 hours sent; one under way counts what it has noted.';
COMMENT ON COLUMN compliance.operations.requests_left IS 'Requests that runs under way still mean to send.';
COMMENT ON COLUMN compliance.operations.repositories IS 'Repositories of the newest listing.';
COMMENT ON COLUMN compliance.operations.coverage IS
'Per cent of them of which no call failed or brought less than it should; what this identity may not see is no failure. Null: none is listed.';
COMMENT ON COLUMN compliance.operations.repositories_left IS 'Repositories that the last whole run had to leave to the next one.';
COMMENT ON COLUMN compliance.operations.verdicts IS 'Published verdicts.';
COMMENT ON COLUMN compliance.operations.undecided IS 'Of these, pending or error.';
COMMENT ON COLUMN compliance.operations.stale IS 'Of these, past their freshness.';
COMMENT ON COLUMN compliance.operations.oldest_reading_at IS 'When the oldest data was read that a verdict rests on; null: there is none.';
COMMENT ON COLUMN compliance.operations.events_waiting IS 'Events of webhooks that no run has answered.';
COMMENT ON COLUMN compliance.operations.oldest_event_at IS 'When the oldest of them came; null: none waits.';
COMMENT ON COLUMN compliance.operations.newest_digest IS 'The newest digest of the workspace''s record (SHA-256, hex); see record_links.';

GRANT SELECT ON compliance.operations TO compliance_pipeline, compliance_console, compliance_reader;
