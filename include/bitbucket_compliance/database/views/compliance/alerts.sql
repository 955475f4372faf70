-- Purpose: what an operator should look at now, since when, and where docs/operations.md says what to do.

CREATE VIEW compliance.alerts AS
WITH ended AS (
    SELECT DISTINCT ON (runs.workspace)
        runs.workspace,
        runs.status,
        runs.error,
        coalesce(runs.finished_at, runs.started_at) AS ended_at
    FROM integration.runs AS runs
    WHERE runs.status IN ('published', 'gate_failed', 'failed')
    ORDER BY runs.workspace ASC, runs.started_at DESC
),

first_runs AS (
    SELECT
        runs.workspace,
        min(runs.started_at) AS started_at
    FROM integration.runs AS runs
    GROUP BY runs.workspace
),

late AS (
    SELECT
        results.workspace,
        count(*) AS verdicts,
        min(results.fresh_until) AS since
    FROM compliance.results AS results
    WHERE results.fresh_until < now()
    GROUP BY results.workspace
),

found AS (
    SELECT
        'not_published' AS alert,
        operations.workspace,
        '' AS subject,
        'high' AS severity,
        coalesce(operations.whole_run_published_at, first_runs.started_at) + interval '26 hours' AS since,
        CASE
            WHEN operations.whole_run_published_at IS null THEN 'No whole run of the workspace has ever published.'
            ELSE format(
                'No whole run of the workspace has published since %s UTC.',
                to_char(operations.whole_run_published_at, 'YYYY-MM-DD HH24:MI')
            )
        END AS reason
    FROM compliance.operations AS operations
    INNER JOIN first_runs ON operations.workspace = first_runs.workspace
    WHERE coalesce(operations.whole_run_published_at, first_runs.started_at) < now() - interval '26 hours'
    UNION ALL
    SELECT
        CASE ended.status WHEN 'gate_failed' THEN 'gate_refused' ELSE 'run_failed' END AS alert,
        ended.workspace,
        '' AS subject,
        'high' AS severity,
        ended.ended_at AS since,
        coalesce(ended.error, 'The last run ended without publishing.') AS reason
    FROM ended
    WHERE ended.status <> 'published'
    UNION ALL
    SELECT
        'run_stuck' AS alert,
        runs.workspace,
        '' AS subject,
        'high' AS severity,
        min(runs.started_at) + interval '24 hours' AS since,
        format('The run %s has been at work for more than a day.', min(runs.run_id)) AS reason
    FROM integration.runs AS runs
    WHERE runs.status = 'running' AND runs.started_at < now() - interval '24 hours'
    GROUP BY runs.workspace
    UNION ALL
    SELECT
        'late' AS alert,
        late.workspace,
        '' AS subject,
        'medium' AS severity,
        late.since,
        format('%s verdicts rest on data that is older than the policy allows.', late.verdicts) AS reason
    FROM late
    UNION ALL
    SELECT
        'not_covered' AS alert,
        operations.workspace,
        '' AS subject,
        'medium' AS severity,
        coalesce(operations.published_at, operations.last_run_at) AS since,
        format(
            'Of %s repositories %s per cent could be read whole; verdicts on the others are errors or pending.',
            operations.repositories, operations.coverage
        ) AS reason
    FROM compliance.operations AS operations
    WHERE operations.coverage < 100
    UNION ALL
    SELECT
        'too_large' AS alert,
        operations.workspace,
        '' AS subject,
        'medium' AS severity,
        operations.whole_run_published_at AS since,
        format(
            'The workspaces of the connection take %s times the requests of a day.', operations.times_too_large
        ) AS reason
    FROM compliance.operations AS operations
    WHERE
        operations.times_too_large > 1
        -- What changes in a day is not known from two runs that followed upon each other.
        AND EXISTS (
            SELECT 1
            FROM integration.runs AS earlier
            WHERE
                earlier.workspace = operations.workspace
                AND earlier.status = 'published'
                AND earlier.kind = 'polling'
                AND earlier.finished_at < operations.whole_run_published_at - interval '12 hours'
        )
    UNION ALL
    SELECT
        'needs_reconnect' AS alert,
        '' AS workspace,
        connections.conn_id AS subject,
        'critical' AS severity,
        connections.status_since AS since,
        format('Connection %s: %s', connections.conn_id, connections.status_reason) AS reason
    FROM integration.connections AS connections
    WHERE connections.status = 'needs_reconnect'
    UNION ALL
    SELECT
        'events_stuck' AS alert,
        operations.workspace,
        '' AS subject,
        'medium' AS severity,
        operations.oldest_event_at + interval '1 hour' AS since,
        format(
            '%s events of webhooks wait for a run, the oldest for more than an hour.', operations.events_waiting
        ) AS reason
    FROM compliance.operations AS operations
    WHERE operations.oldest_event_at < now() - interval '1 hour'
    UNION ALL
    SELECT
        'webhooks_broken' AS alert,
        health.workspace,
        health.conn_id AS subject,
        'medium' AS severity,
        health.checked_at AS since,
        format(
            'Of the webhooks of the workspace %s are switched off, %s are gone, %s could not be looked at.',
            health.disabled, health.missing, health.failed
        ) AS reason
    FROM integration.webhook_health AS health
    WHERE health.disabled + health.missing + health.failed > 0
),

-- What to do, in one line; the section of docs/operations.md has the whole of it.
hints (alert, title, hint) AS (
    VALUES
    (
        'not_published',
        'Nothing published for a day',
        'See whether runs are started, and why they end; then trigger bitbucket_compliance for the workspace.'
    ),
    (
        'gate_refused',
        'A gate refused to publish',
        'Open the page of the gate (data_docs of the run): it shows the rows that broke a rule.'
    ),
    (
        'run_failed',
        'A run failed',
        'Read the reason; mend what it names, then trigger the run again.'
    ),
    (
        'run_stuck',
        'A run does not end',
        'See in Airflow what it waits for; mark it as failed, and the next one takes over.'
    ),
    (
        'late',
        'Verdicts are late',
        'See whether whole runs publish, and whether the connection has enough requests an hour.'
    ),
    (
        'not_covered',
        'Repositories could not be read',
        'See compliance.undecided for the calls that failed; the next run asks again.'
    ),
    (
        'too_large',
        'More to read than requests allow',
        'Raise requests_per_hour, use a second connection, or let the policy read less often.'
    ),
    (
        'needs_reconnect',
        'Bitbucket has to be connected again',
        'Somebody with the right to connect presses Connect in the console.'
    ),
    (
        'events_stuck',
        'Events wait',
        'See whether bitbucket_events runs, and whether requests are left.'
    ),
    (
        'webhooks_broken',
        'Webhooks do not deliver',
        'Trigger bitbucket_webhooks, or run the command webhooks with --reactivate=1.'
    )
)

SELECT
    found.alert,
    found.workspace,
    found.subject,
    found.severity,
    hints.title,
    found.since,
    found.reason,
    hints.hint,
    'docs/operations.md#' || found.alert AS runbook
FROM found
INNER JOIN hints ON found.alert = hints.alert;

COMMENT ON VIEW compliance.alerts IS 'What an operator should look at now, since when, and where docs/operations.md says what to do; no row: nothing.';
COMMENT ON COLUMN compliance.alerts.alert IS
'not_published, gate_refused, run_failed, run_stuck, late, not_covered, too_large, needs_reconnect, events_stuck or webhooks_broken.';
COMMENT ON COLUMN compliance.alerts.workspace IS 'Workspace slug; empty where the alert is about a connection.';
COMMENT ON COLUMN compliance.alerts.subject IS 'Airflow''s connection id where the alert is about one; else empty.';
COMMENT ON COLUMN compliance.alerts.severity IS 'critical: nothing works until somebody acts; high: nothing new is published; medium: something is missing or old.';
COMMENT ON COLUMN compliance.alerts.title IS 'What it is, in a few words.';
COMMENT ON COLUMN compliance.alerts.since IS 'Since when it has been so, as far as it is known.';
COMMENT ON COLUMN compliance.alerts.reason IS 'What is wrong, as a sentence.';
COMMENT ON COLUMN compliance.alerts.hint IS 'What to do first.';
COMMENT ON COLUMN compliance.alerts.runbook IS 'The section of docs/operations.md with the rest of it.';

GRANT SELECT ON compliance.alerts TO compliance_pipeline, compliance_console, compliance_reader;
