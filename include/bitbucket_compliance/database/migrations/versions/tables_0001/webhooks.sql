-- Purpose: what is registered at Bitbucket, what it delivered, which run answered it, and what was never announced.

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

CREATE TABLE integration.webhook_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
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
    UNIQUE (conn_id, body_hash)
);
CREATE INDEX webhook_events_waiting ON integration.webhook_events (workspace, received_at) WHERE handled_at IS null;
CREATE INDEX webhook_events_by_repository ON integration.webhook_events (workspace, repository_id, received_at);
COMMENT ON TABLE integration.webhook_events IS
'Deliveries of Bitbucket whose signature was right, each once. They say what to read again, never what to believe; their bodies are not kept.';
COMMENT ON COLUMN integration.webhook_events.event_id IS 'Order in which they were taken in.';
COMMENT ON COLUMN integration.webhook_events.received_at IS 'When.';
COMMENT ON COLUMN integration.webhook_events.conn_id IS 'Airflow''s id of the connection whose secret the signature was made with.';
COMMENT ON COLUMN integration.webhook_events.workspace IS 'Slug of the workspace that the webhook was registered for; not what the body says.';
COMMENT ON COLUMN integration.webhook_events.hook_id IS 'Bitbucket''s uuid of the webhook, with braces.';
COMMENT ON COLUMN integration.webhook_events.event_key IS 'X-Event-Key, such as pullrequest:fulfilled; not signed.';
COMMENT ON COLUMN integration.webhook_events.request_id IS 'X-Request-UUID; the same again is the same event. Not signed.';
COMMENT ON COLUMN integration.webhook_events.body_hash IS 'SHA-256 of the body, hex; the same body again is the same event, whatever its headers say.';
COMMENT ON COLUMN integration.webhook_events.repository_id IS 'The repository it is about, uuid with braces; null: about none, or it did not say.';
COMMENT ON COLUMN integration.webhook_events.announced_at IS 'When a run was asked for; null: not since it has been waiting.';
COMMENT ON COLUMN integration.webhook_events.run_id IS 'The run that answers it, or answered it.';
COMMENT ON COLUMN integration.webhook_events.tries IS 'Runs that took it up.';
COMMENT ON COLUMN integration.webhook_events.waits_until IS 'Not taken up before; because requests are short, or the last run failed.';
COMMENT ON COLUMN integration.webhook_events.handled_at IS 'When the run that read what it touched was published; null: it waits.';

CREATE TABLE integration.pushes (
    push_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    conn_id text NOT NULL,
    workspace text NOT NULL,
    repository_id text NOT NULL,
    body_hash text NOT NULL,
    place integer NOT NULL,
    old_hash text,
    new_hash text,
    forced boolean NOT NULL,
    removed boolean NOT NULL,
    pushed_by text,
    pushed_by_type text,
    UNIQUE (conn_id, body_hash, place)
);
CREATE INDEX pushes_by_repository ON integration.pushes (workspace, repository_id, received_at);
COMMENT ON TABLE integration.pushes IS
'Changes of main branches that webhooks told of. Of other branches nothing is kept, and of commits no more than hashes.';
COMMENT ON COLUMN integration.pushes.push_id IS 'Order in which they were taken in.';
COMMENT ON COLUMN integration.pushes.received_at IS 'When; Bitbucket delivers within seconds.';
COMMENT ON COLUMN integration.pushes.conn_id IS 'Airflow''s id of the connection whose secret the delivery was signed with.';
COMMENT ON COLUMN integration.pushes.workspace IS 'Slug of the workspace that the webhook was registered for.';
COMMENT ON COLUMN integration.pushes.repository_id IS 'Repository''s uuid with braces.';
COMMENT ON COLUMN integration.pushes.body_hash IS 'SHA-256 of the delivery''s body, hex; the same body again is the same push.';
COMMENT ON COLUMN integration.pushes.place IS 'Which of the delivery''s changes it is.';
COMMENT ON COLUMN integration.pushes.old_hash IS 'Commit the branch stood at before; null: the push made it.';
COMMENT ON COLUMN integration.pushes.new_hash IS 'Commit it stands at since; null: the push removed it.';
COMMENT ON COLUMN integration.pushes.forced IS 'Whether history was rewritten.';
COMMENT ON COLUMN integration.pushes.removed IS 'Whether the branch was removed.';
COMMENT ON COLUMN integration.pushes.pushed_by IS 'Who pushed, uuid with braces; null: the delivery does not say.';
COMMENT ON COLUMN integration.pushes.pushed_by_type IS 'Kind of that account: user for a person; null as above.';

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

GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE integration.webhooks TO compliance_pipeline, compliance_console;
GRANT SELECT, UPDATE (refused, refused_at) ON TABLE integration.webhooks TO compliance_receiver;
GRANT SELECT, UPDATE, DELETE ON TABLE integration.webhook_events TO compliance_pipeline;
GRANT SELECT ON TABLE integration.webhook_events, integration.webhook_gaps TO compliance_console;
GRANT SELECT, INSERT ON TABLE integration.webhook_events TO compliance_receiver;
GRANT INSERT ON TABLE integration.pushes TO compliance_receiver;
GRANT SELECT, DELETE ON TABLE integration.pushes TO compliance_pipeline;
GRANT SELECT, INSERT, DELETE ON TABLE integration.webhook_gaps TO compliance_pipeline;
