-- Purpose: the workspaces whose events wait, and for which of them a run is to be asked for now: at once where none was
-- asked for within a minute, else when none came for so many seconds, or the first has been waiting for so many; and no
-- run of the workspace is at work.

CREATE FUNCTION integration.announce_events(
    quiet_seconds double precision, longest_seconds double precision, silent_seconds double precision
) RETURNS TABLE (waiting_workspace text, waiting bigint, announced boolean)
LANGUAGE sql SET search_path = pg_catalog, pg_temp
AS $announced$
    WITH waiting AS (
        SELECT
            events.workspace,
            count(*) AS events,
            min(events.received_at) AS first_at,
            max(events.received_at) AS last_at,
            max(events.announced_at) FILTER (WHERE events.run_id IS null) AS asked_at
        FROM integration.webhook_events AS events
        WHERE
            events.handled_at IS null
            AND (events.waits_until IS null OR events.waits_until <= clock_timestamp())
        GROUP BY events.workspace
    ),

    ripe AS (
        SELECT waiting.workspace
        FROM waiting
        WHERE
            (
                waiting.last_at <= clock_timestamp() - make_interval(secs => quiet_seconds)
                OR waiting.first_at <= clock_timestamp() - make_interval(secs => longest_seconds)
                OR NOT EXISTS (
                    SELECT 1
                    FROM integration.webhook_events AS earlier
                    WHERE
                        earlier.workspace = waiting.workspace
                        AND earlier.received_at > clock_timestamp() - interval '15 minutes'
                        AND earlier.announced_at > clock_timestamp() - interval '1 minute'
                )
            )
            -- After a disconnect nobody could answer them; a polling run takes them in when it is connected again.
            AND EXISTS (
                SELECT 1 FROM integration.webhooks AS webhooks
                WHERE webhooks.workspace = waiting.workspace
            )
            -- A run that was asked for needs its time to begin; one that never does is asked for again.
            AND (waiting.asked_at IS null OR waiting.asked_at <= clock_timestamp() - interval '2 minutes')
            AND NOT EXISTS (
                SELECT 1
                FROM integration.workspace_leases AS leases
                WHERE
                    leases.workspace = waiting.workspace
                    AND greatest(leases.renewed_at, leases.waits_until)
                    > clock_timestamp() - make_interval(secs => silent_seconds)
            )
    ),

    told AS (
        UPDATE integration.webhook_events AS events
        -- Whoever had taken them up is gone: no run is at work.
        SET announced_at = clock_timestamp(), run_id = null
        FROM ripe
        WHERE
            events.workspace = ripe.workspace
            AND events.handled_at IS null
            -- Of two that look at once, the second finds it done.
            AND (events.announced_at IS null OR events.announced_at <= clock_timestamp() - interval '2 minutes')
            AND (events.waits_until IS null OR events.waits_until <= clock_timestamp())
        RETURNING events.workspace
    )

    SELECT
        waiting.workspace AS waiting_workspace,
        waiting.events AS waiting,
        EXISTS (SELECT 1 FROM told WHERE told.workspace = waiting.workspace) AS announced
    FROM waiting
$announced$;

GRANT EXECUTE ON FUNCTION integration.announce_events(double precision, double precision, double precision)
TO compliance_pipeline;
