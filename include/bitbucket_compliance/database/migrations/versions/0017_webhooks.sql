-- Purpose: what is registered at Bitbucket, what it delivered, which run answered it, and what was never announced.

-- ------------------------------------------------------------------- secrets

-- They belong to compliance_vault, like the tokens; the receiver reads them, and nothing else of the vault.
GRANT USAGE, CREATE ON SCHEMA integration TO compliance_vault;
GRANT USAGE ON SCHEMA integration TO compliance_receiver;

SET LOCAL ROLE compliance_vault;

CREATE TABLE integration.webhook_secrets (
    secret_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    conn_id text NOT NULL,
    sealed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_until timestamptz
);
CREATE UNIQUE INDEX webhook_secrets_one_current ON integration.webhook_secrets (conn_id) WHERE accepted_until IS null;
COMMENT ON TABLE integration.webhook_secrets IS
'The secrets that Bitbucket signs deliveries with, one current a connection; an earlier one is accepted for a while after it was rotated.';
COMMENT ON COLUMN integration.webhook_secrets.secret_id IS 'Which one; integration.webhooks says which of them a webhook was given.';
COMMENT ON COLUMN integration.webhook_secrets.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.webhook_secrets.sealed IS 'The secret (Fernet), bound to its connection.';
COMMENT ON COLUMN integration.webhook_secrets.created_at IS 'When it was made.';
COMMENT ON COLUMN integration.webhook_secrets.accepted_until IS 'Until when it is accepted still; null: the current one.';

GRANT SELECT ON TABLE integration.webhook_secrets TO compliance_receiver;

SET LOCAL ROLE compliance_owner;
REVOKE CREATE ON SCHEMA integration FROM compliance_vault;

-- -------------------------------------------------------------- registration

CREATE TABLE integration.webhooks (
    conn_id text NOT NULL,
    workspace text NOT NULL,
    repository_id text NOT NULL DEFAULT '',
    slug text NOT NULL DEFAULT '',
    hook_id text UNIQUE,
    url text NOT NULL,
    events text[] NOT NULL DEFAULT '{}',
    secret_id bigint,
    state text NOT NULL
    CHECK (state IN ('active', 'disabled', 'missing', 'not_allowed', 'failed')),
    problem text,
    registered_at timestamptz,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    refused integer NOT NULL DEFAULT 0,
    refused_at timestamptz,
    PRIMARY KEY (conn_id, workspace, repository_id)
);
COMMENT ON TABLE integration.webhooks IS
'The webhooks that the pipeline registered: one for a workspace, or one for each repository where the identity owns no workspace.';
COMMENT ON COLUMN integration.webhooks.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.webhooks.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.webhooks.repository_id IS 'Repository''s uuid with braces; empty: the webhook is the workspace''s.';
COMMENT ON COLUMN integration.webhooks.slug IS 'Repository slug, for people; empty as above.';
COMMENT ON COLUMN integration.webhooks.hook_id IS 'Bitbucket''s uuid of the webhook, with braces; null: there is none.';
COMMENT ON COLUMN integration.webhooks.url IS 'Where it delivers to.';
COMMENT ON COLUMN integration.webhooks.events IS 'What it announces.';
COMMENT ON COLUMN integration.webhooks.secret_id IS 'The secret it was given last.';
COMMENT ON COLUMN integration.webhooks.state IS
'active; disabled: somebody switched it off at Bitbucket; missing: it is not there; not_allowed: this identity may not have one here; failed: Bitbucket could not be asked.';
COMMENT ON COLUMN integration.webhooks.problem IS 'What is wrong and what to do, as a sentence; null where it is active.';
COMMENT ON COLUMN integration.webhooks.registered_at IS 'Since when it has been delivering; changes before it were never to be announced.';
COMMENT ON COLUMN integration.webhooks.checked_at IS 'When Bitbucket was last asked for it.';
COMMENT ON COLUMN integration.webhooks.refused IS 'Deliveries in its name whose signature was wrong, counted once a minute at most.';
COMMENT ON COLUMN integration.webhooks.refused_at IS 'When the last of them came.';

-- -------------------------------------------------------------------- events

CREATE TABLE integration.webhook_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    received_hour timestamptz NOT NULL DEFAULT date_trunc('hour', clock_timestamp(), 'UTC'),
    conn_id text NOT NULL,
    workspace text NOT NULL,
    hook_id text NOT NULL,
    event_key text NOT NULL,
    request_id text NOT NULL,
    body_hash text NOT NULL,
    repository_id text,
    announced_at timestamptz,
    run_id text,
    tries integer NOT NULL DEFAULT 0,
    waits_until timestamptz,
    handled_at timestamptz,
    UNIQUE (conn_id, request_id),
    UNIQUE (conn_id, body_hash, received_hour)
);
CREATE INDEX webhook_events_waiting ON integration.webhook_events (workspace, received_at) WHERE handled_at IS null;
CREATE INDEX webhook_events_by_repository ON integration.webhook_events (workspace, repository_id, received_at);
CREATE INDEX webhook_events_by_body ON integration.webhook_events (conn_id, body_hash, received_at);
COMMENT ON TABLE integration.webhook_events IS
'Deliveries of Bitbucket whose signature was right, each once. They say what to read again, never what to believe; their bodies are not kept.';
COMMENT ON COLUMN integration.webhook_events.event_id IS 'Order in which they were taken in.';
COMMENT ON COLUMN integration.webhook_events.received_at IS 'When.';
COMMENT ON COLUMN integration.webhook_events.received_hour IS 'The hour of it (UTC): the same body twice in an hour is one event.';
COMMENT ON COLUMN integration.webhook_events.conn_id IS 'Airflow''s id of the connection whose secret the signature was made with.';
COMMENT ON COLUMN integration.webhook_events.workspace IS 'Slug of the workspace that the webhook was registered for; not what the body says.';
COMMENT ON COLUMN integration.webhook_events.hook_id IS 'Bitbucket''s uuid of the webhook, with braces.';
COMMENT ON COLUMN integration.webhook_events.event_key IS 'X-Event-Key, such as pullrequest:fulfilled; not signed.';
COMMENT ON COLUMN integration.webhook_events.request_id IS 'X-Request-UUID; the same again is the same event. Not signed.';
COMMENT ON COLUMN integration.webhook_events.body_hash IS 'SHA-256 of the body, hex.';
COMMENT ON COLUMN integration.webhook_events.repository_id IS 'The repository it is about, uuid with braces; null: about none, or it did not say.';
COMMENT ON COLUMN integration.webhook_events.announced_at IS 'When a run was asked for; null: not since it has been waiting.';
COMMENT ON COLUMN integration.webhook_events.run_id IS 'The run that answers it, or answered it.';
COMMENT ON COLUMN integration.webhook_events.tries IS 'Runs that took it up.';
COMMENT ON COLUMN integration.webhook_events.waits_until IS 'Not taken up before; because requests are short, or the last run failed.';
COMMENT ON COLUMN integration.webhook_events.handled_at IS 'When the run that read what it touched was published; null: it waits.';

CREATE FUNCTION integration.announce_webhook_events() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog
AS $announce$
BEGIN
    PERFORM pg_notify('webhook_events', '');
    RETURN null;
END
$announce$;
COMMENT ON FUNCTION integration.announce_webhook_events() IS 'Wakes whoever listens on webhook_events.';
REVOKE EXECUTE ON FUNCTION integration.announce_webhook_events() FROM public;

CREATE TRIGGER webhook_events_are_announced
AFTER INSERT ON integration.webhook_events
FOR EACH STATEMENT EXECUTE FUNCTION integration.announce_webhook_events();

CREATE FUNCTION integration.announce_events(
    quiet_seconds double precision, longest_seconds double precision, silent_seconds double precision
) RETURNS TABLE (waiting_workspace text, waiting bigint, announced boolean)
LANGUAGE sql SET search_path = pg_catalog
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
COMMENT ON FUNCTION integration.announce_events(double precision, double precision, double precision) IS
'Workspaces whose events wait, and for which of them a run is to be asked for now: when none came for so many seconds, or the first has been waiting for so many, and no run of the workspace is at work.';
REVOKE EXECUTE ON FUNCTION integration.announce_events(
    double precision, double precision, double precision
) FROM public;
GRANT EXECUTE ON FUNCTION integration.announce_events(
    double precision, double precision, double precision
) TO compliance_pipeline;

-- ---------------------------------------------------------------------- gaps

CREATE TABLE integration.webhook_gaps (
    workspace text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('repository', 'pull_request', 'pipeline')),
    repository_id text NOT NULL,
    object_key text NOT NULL,
    changed_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id text NOT NULL,
    PRIMARY KEY (workspace, kind, repository_id, object_key, changed_at)
);
CREATE INDEX webhook_gaps_by_day ON integration.webhook_gaps (workspace, found_at);
COMMENT ON TABLE integration.webhook_gaps IS
'Changes that polling found and a webhook should have announced: why events make verdicts fresh and polling keeps them complete.';
COMMENT ON COLUMN integration.webhook_gaps.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.webhook_gaps.kind IS 'repository: it was created; pull_request: it was opened, approved or merged; pipeline: it ran.';
COMMENT ON COLUMN integration.webhook_gaps.repository_id IS 'Repository''s uuid with braces.';
COMMENT ON COLUMN integration.webhook_gaps.object_key IS 'Slug of the repository, number of the pull request, or uuid of the pipeline.';
COMMENT ON COLUMN integration.webhook_gaps.changed_at IS 'When it changed, by Bitbucket.';
COMMENT ON COLUMN integration.webhook_gaps.found_at IS 'When polling found it.';
COMMENT ON COLUMN integration.webhook_gaps.run_id IS 'The run that did.';

CREATE VIEW integration.webhook_health AS
WITH hooks AS (
    SELECT
        webhooks.conn_id,
        webhooks.workspace,
        count(*) FILTER (WHERE webhooks.state = 'active') AS active,
        count(*) FILTER (WHERE webhooks.state = 'disabled') AS disabled,
        count(*) FILTER (WHERE webhooks.state = 'missing') AS missing,
        count(*) FILTER (WHERE webhooks.state = 'not_allowed') AS not_allowed,
        count(*) FILTER (WHERE webhooks.state = 'failed') AS failed,
        coalesce(bool_or(webhooks.repository_id = '' AND webhooks.hook_id IS NOT null), false) AS of_workspace,
        min(webhooks.registered_at) AS registered_at,
        min(webhooks.checked_at) AS checked_at,
        sum(webhooks.refused) AS refused,
        max(webhooks.refused_at) AS refused_at
    FROM integration.webhooks AS webhooks
    GROUP BY webhooks.conn_id, webhooks.workspace
),

events AS (
    SELECT
        events.conn_id,
        events.workspace,
        max(events.received_at) AS last_event_at,
        count(*) FILTER (WHERE events.received_at > now() - interval '1 day') AS events_in_a_day,
        count(*) FILTER (WHERE events.handled_at IS null) AS waiting,
        min(events.received_at) FILTER (WHERE events.handled_at IS null) AS waiting_since
    FROM integration.webhook_events AS events
    GROUP BY events.conn_id, events.workspace
),

gaps AS (
    SELECT
        gaps.workspace,
        count(*) FILTER (WHERE gaps.found_at > now() - interval '7 days') AS gaps_in_a_week,
        max(gaps.changed_at) AS last_gap_at
    FROM integration.webhook_gaps AS gaps
    GROUP BY gaps.workspace
)

SELECT
    hooks.conn_id,
    hooks.workspace,
    hooks.of_workspace,
    hooks.active,
    hooks.disabled,
    hooks.missing,
    hooks.not_allowed,
    hooks.failed,
    hooks.registered_at,
    hooks.checked_at,
    hooks.refused,
    hooks.refused_at,
    events.last_event_at,
    coalesce(events.events_in_a_day, 0) AS events_in_a_day,
    coalesce(events.waiting, 0) AS waiting,
    events.waiting_since,
    coalesce(gaps.gaps_in_a_week, 0) AS gaps_in_a_week,
    gaps.last_gap_at
FROM hooks
LEFT JOIN events ON hooks.conn_id = events.conn_id AND hooks.workspace = events.workspace
LEFT JOIN gaps ON hooks.workspace = gaps.workspace;
COMMENT ON VIEW integration.webhook_health IS
'Whether events arrive: webhooks by state, the last event, what waits, and what polling found that none announced; a row a connection and workspace.';
COMMENT ON COLUMN integration.webhook_health.conn_id IS 'Airflow''s connection id.';
COMMENT ON COLUMN integration.webhook_health.workspace IS 'Workspace slug.';
COMMENT ON COLUMN integration.webhook_health.of_workspace IS 'Whether the workspace has a webhook of its own; else its repositories have.';
COMMENT ON COLUMN integration.webhook_health.active IS 'Webhooks that deliver.';
COMMENT ON COLUMN integration.webhook_health.disabled IS 'Webhooks that somebody switched off at Bitbucket.';
COMMENT ON COLUMN integration.webhook_health.missing IS 'Webhooks that are not there any more.';
COMMENT ON COLUMN integration.webhook_health.not_allowed IS 'Places where this identity may not have a webhook.';
COMMENT ON COLUMN integration.webhook_health.failed IS 'Webhooks that Bitbucket could not be asked for.';
COMMENT ON COLUMN integration.webhook_health.registered_at IS 'Since when the oldest of them has been delivering.';
COMMENT ON COLUMN integration.webhook_health.checked_at IS 'When the one looked at longest ago was last asked for.';
COMMENT ON COLUMN integration.webhook_health.refused IS 'Deliveries in their name whose signature was wrong, counted once a minute at most.';
COMMENT ON COLUMN integration.webhook_health.refused_at IS 'When the last of them came.';
COMMENT ON COLUMN integration.webhook_health.last_event_at IS 'When the last event came.';
COMMENT ON COLUMN integration.webhook_health.events_in_a_day IS 'Events of the last 24 hours.';
COMMENT ON COLUMN integration.webhook_health.waiting IS 'Events that no published run has answered yet.';
COMMENT ON COLUMN integration.webhook_health.waiting_since IS 'Since when the oldest of them has been waiting.';
COMMENT ON COLUMN integration.webhook_health.gaps_in_a_week IS 'Changes that polling found in the last 7 days and no event announced.';
COMMENT ON COLUMN integration.webhook_health.last_gap_at IS 'When the last of them happened.';

-- ---------------------------------------------------------------------- runs

ALTER TABLE integration.runs
ADD COLUMN kind text NOT NULL DEFAULT 'polling' CHECK (kind IN ('polling', 'events')),
ADD COLUMN events integer,
ADD COLUMN judges_all boolean NOT NULL DEFAULT true;
COMMENT ON COLUMN integration.runs.kind IS 'polling: everything that is due; events: what webhooks announced.';
COMMENT ON COLUMN integration.runs.events IS 'Events that the run answers; null: it has not looked for any yet.';
COMMENT ON COLUMN integration.runs.judges_all IS 'Whether every subject is judged; else those of judged.subjects.';

CREATE TABLE judged.subjects (
    workspace text NOT NULL,
    run_id text NOT NULL,
    subject_id text NOT NULL,
    PRIMARY KEY (workspace, run_id, subject_id)
);
COMMENT ON TABLE judged.subjects IS
'The repositories that a run judges where it judges not all (integration.runs.judges_all).';

COMMENT ON COLUMN landing.work_items.cause IS
'Why it is read: never_read, failed_before, stale, changed, basis_changed, full_refresh or event.';

CREATE OR REPLACE VIEW compliance.runs AS
SELECT
    run_id,
    workspace,
    status,
    quality,
    started_at,
    finished_at,
    repositories,
    requests_spent,
    round(requests_spent::numeric / nullif(repositories, 0), 2) AS requests_per_repository,
    coverage,
    scopes_granted,
    policy_version,
    full_refresh,
    error,
    identity_role,
    decidable,
    plan,
    repositories_read,
    repositories_left,
    data_docs,
    kind,
    events
FROM integration.runs;
COMMENT ON COLUMN compliance.runs.kind IS 'polling: everything that was due was read; events: what webhooks announced.';
COMMENT ON COLUMN compliance.runs.events IS 'Events of webhooks that the run answered; null: it did not get so far.';

-- ------------------------------------------------------------------- quality

CREATE OR REPLACE VIEW quality.verdict_mismatches AS
WITH enabled_tests AS (
    SELECT
        tests.test_id,
        tests.subject_type
    FROM judged.enabled_tests AS tests
    WHERE
        tests.workspace = current_setting('compliance.workspace')
        AND tests.run_id = current_setting('compliance.run_id')
),

subjects AS (
    SELECT
        'repository' AS subject_type,
        staged.repository_id AS subject_id,
        staged.slug AS repository
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member' AS subject_type,
        staged.member_id AS subject_id,
        null AS repository
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'workspace' AS subject_type,
        staged.workspace_id AS subject_id,
        null AS repository
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
),

asked_for AS (
    SELECT subjects.*
    FROM subjects
    WHERE
        (
            SELECT runs.judges_all FROM integration.runs AS runs
            WHERE runs.run_id = current_setting('compliance.run_id')
        )
        OR EXISTS (
            SELECT 1
            FROM judged.subjects AS wanted
            WHERE
                wanted.workspace = current_setting('compliance.workspace')
                AND wanted.run_id = current_setting('compliance.run_id')
                AND wanted.subject_id = subjects.subject_id
        )
)

SELECT
    coalesce(expected.test_id, verdicts.test_id) AS test_id,
    coalesce(expected.subject_id, verdicts.subject_id) AS subject_id,
    coalesce(expected.repository, verdicts.repository) AS repository,
    expected.test_id IS NOT null AS is_expected,
    verdicts.test_id IS NOT null AS is_judged
FROM (
    SELECT
        enabled_tests.test_id,
        asked_for.subject_id,
        asked_for.repository
    FROM enabled_tests
    INNER JOIN asked_for ON enabled_tests.subject_type = asked_for.subject_type
) AS expected
FULL OUTER JOIN quality.verdicts AS verdicts
    ON expected.test_id = verdicts.test_id AND expected.subject_id = verdicts.subject_id
WHERE expected.test_id IS null OR verdicts.test_id IS null;
COMMENT ON VIEW quality.verdict_mismatches IS
'Where verdicts and subjects x enabled tests disagree: a subject that should be judged and was not, or a verdict nobody asked for.';

-- --------------------------------------------------------------------- purge

CREATE OR REPLACE FUNCTION integration.purgeable_tables() RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog
AS $tables$
    SELECT relations.oid::regclass
    FROM pg_class AS relations
    INNER JOIN pg_namespace AS schemas ON relations.relnamespace = schemas.oid
    INNER JOIN pg_attribute AS columns ON relations.oid = columns.attrelid AND columns.attname = 'workspace'
    WHERE
        relations.relkind = 'r'
        AND (
            schemas.nspname IN ('landing', 'staging', 'judged', 'quality', 'compliance')
            OR (
                schemas.nspname = 'integration'
                AND relations.relname IN ('runs', 'run_steps', 'webhook_events', 'webhook_gaps')
            )
        )
    ORDER BY schemas.nspname, relations.relname
$tables$;

-- -------------------------------------------------------------------- grants

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE integration.webhooks TO compliance_pipeline, compliance_console;
GRANT SELECT ON TABLE integration.webhooks TO compliance_receiver;
GRANT UPDATE (refused, refused_at) ON TABLE integration.webhooks TO compliance_receiver;
GRANT SELECT, UPDATE, DELETE ON TABLE integration.webhook_events TO compliance_pipeline;
GRANT SELECT ON TABLE integration.webhook_events TO compliance_console;
GRANT SELECT, INSERT ON TABLE integration.webhook_events TO compliance_receiver;
GRANT SELECT, INSERT, DELETE ON TABLE integration.webhook_gaps TO compliance_pipeline;
GRANT SELECT ON TABLE integration.webhook_gaps TO compliance_console;
GRANT SELECT ON TABLE integration.webhook_health TO compliance_pipeline, compliance_console;
GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE judged.subjects TO compliance_pipeline;
