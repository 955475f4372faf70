-- Purpose: what grows beside history in the days that the workspace ran, a whole run a day: landed bodies of merges and
-- pipelines, calls, what gates and steps noted, events, refreshes of tokens, rosters, counts of
-- populations, what people were told.

INSERT INTO staging.workspaces (workspace, workspace_id, name, data_as_of)
VALUES (%(workspace)s, bench.identity('workspace'), 'Bench', now());

CREATE TABLE bench.merges AS
SELECT
    repositories.repository_id,
    series.number,
    now() - make_interval(days => series.number * 7 - bench.dice(repositories.repository_id) %% 7) AS merged_on
FROM compliance.repositories AS repositories
CROSS JOIN generate_series(1, %(runs)s / 7) AS series (number);

INSERT INTO staging.pull_requests (
    workspace, repository_id, pull_request_id, state, author_id, destination_branch, approved_by, approved_by_accounts,
    unknown_approvals, merged_by, merge_commit, created_on, updated_on, merged_after, merged_on, into_main_branch,
    data_as_of
)
SELECT
    %(workspace)s, merges.repository_id, merges.number, 'MERGED', '{author}', 'main', '{{peer}}', '{account}', 0,
    '{author}', left(md5(merges.repository_id || merges.number), 12), merges.merged_on - interval '1 day',
    merges.merged_on, merges.merged_on - interval '1 day', merges.merged_on, true, merges.merged_on
FROM bench.merges AS merges;

ALTER TABLE compliance.changes DISABLE TRIGGER USER;
INSERT INTO compliance.changes (
    workspace, repository_id, kind, change_key, pull_request_id, link, commit_hash, author_id, merged_by, created_on,
    merged_after, merged_on, approved_by, peer_approvals, peer_reviewed, forced, removed, policy_version, first_run_id,
    recorded_at
)
SELECT
    known.workspace, known.repository_id, 'pull_request', known.pull_request_id::text, known.pull_request_id,
    'https://bitbucket.org/' || known.workspace || '/' || known.repository_id, known.merge_commit, known.author_id,
    known.merged_by, known.created_on, known.merged_after, known.merged_on, known.approved_by, 1, true, false, false,
    %(policy_version)s, 'run', known.merged_on
FROM staging.pull_requests AS known
ON CONFLICT DO NOTHING;
ALTER TABLE compliance.changes ENABLE TRIGGER USER;

-- Each merge was read open and merged, with the builds of one in five; a pipeline ran twice a week.
INSERT INTO landing.objects (
    workspace, resource, object_key, repository_id, body_hash, body, first_fetched_at, fetched_at, run_id
)
SELECT
    %(workspace)s, bodies.resource, bodies.object_key, merges.repository_id, md5(bodies.object_key || bodies.state),
    jsonb_build_object(
        'id', merges.number, 'pull_request_id', merges.number, 'state', bodies.state,
        'title', repeat('word ', 8), 'participants', repeat('participant ', bodies.words)
    ),
    merges.merged_on - bodies.earlier, merges.merged_on - bodies.earlier, 'run'
FROM bench.merges AS merges
CROSS JOIN LATERAL (
    VALUES
    ('pull_requests', merges.repository_id || ' ' || merges.number, 'OPEN', 60, interval '1 day'),
    ('pull_requests', merges.repository_id || ' ' || merges.number, 'MERGED', 60, interval '0'),
    ('pull_request_statuses', merges.repository_id || ' ' || merges.number, 'SUCCESSFUL', 20, interval '0'),
    ('pipelines', merges.repository_id || ' p' || merges.number, 'COMPLETED', 15, interval '0'),
    ('pipelines', merges.repository_id || ' q' || merges.number, 'COMPLETED', 15, interval '3 days')
) AS bodies (resource, object_key, state, words, earlier)
WHERE bodies.resource <> 'pull_request_statuses' OR merges.number %% 5 = 0;

-- A publication keeps the calls and verdicts of the newest runs.
INSERT INTO landing.calls (workspace, run_id, resource, repository_id, outcome, requests, items, fetched_at)
SELECT
    %(workspace)s, 'run ' || runs.number, resources.resource, repositories.repository_id, 'ok', 1, 10,
    now() - make_interval(days => %(runs)s - runs.number)
FROM compliance.repositories AS repositories
CROSS JOIN generate_series(greatest(%(runs)s - 3, 0), %(runs)s - 1) AS runs (number)
CROSS JOIN unnest(ARRAY['branch_restrictions', 'pull_requests', 'pipelines', 'pipelines_config']) AS resources (resource);

INSERT INTO quality.expectation_results (
    workspace, run_id, gate, suite, expectation, description, severity, success, observed, evaluated_at
)
SELECT
    runs.workspace, runs.run_id, 'staging', 'suite', 'expect_column_values_to_not_be_null', 'rule ' || rules.number,
    'critical', true, '{"observed": 0}', runs.finished_at
FROM integration.runs AS runs
CROSS JOIN generate_series(1, 120) AS rules (number);

INSERT INTO integration.run_steps (run_id, workspace, step, started_at, finished_at)
SELECT runs.run_id, runs.workspace, 'step ' || steps.number, runs.started_at, runs.finished_at
FROM integration.runs AS runs
CROSS JOIN generate_series(1, 17) AS steps (number);

INSERT INTO compliance.population_counts (
    workspace, run_id, population, day, counted_at, complete, said, read, in_table, differences, unexplained
)
SELECT
    runs.workspace, runs.run_id, populations.population, runs.finished_at::date, runs.finished_at, true, 20, 20, 20, '[]',
    0
FROM integration.runs AS runs
CROSS JOIN unnest(ARRAY['repositories', 'pull_requests', 'direct_pushes', 'leavers']) AS populations (population)
ON CONFLICT DO NOTHING;

INSERT INTO integration.publications (workspace, published_at, run_id, intervals_opened, intervals_ended)
SELECT runs.workspace, runs.finished_at, runs.run_id, 0, 0
FROM integration.runs AS runs;

-- Everything was told to people once.
INSERT INTO integration.notifications_sent (conn_id, change_key, workspace, occurred_at, told, noted_at)
SELECT 'compliance_slack', changes.change_key, changes.workspace, changes.occurred_at, true, changes.occurred_at
FROM integration.notifiable_changes AS changes;

-- A refresh an hour.
INSERT INTO integration.connection_events (conn_id, event, at)
SELECT 'bitbucket_default', events.event, hours.at
FROM generate_series(now() - make_interval(days => %(runs)s), now(), interval '1 hour') AS hours (at)
CROSS JOIN unnest(ARRAY['refresh_started', 'refreshed']) AS events (event);

-- Four events a merge.
INSERT INTO integration.webhook_events (
    received_at, conn_id, workspace, hook_id, event_key, request_id, body_hash, repository_id, run_id, tries, handled_at
)
SELECT
    merges.merged_on, 'bitbucket_default', %(workspace)s, '{hook}', 'pullrequest:fulfilled',
    merges.repository_id || merges.number || ' ' || events.number,
    md5(merges.repository_id || merges.number || events.number), merges.repository_id, 'run', 1, merges.merged_on
FROM bench.merges AS merges
CROSS JOIN generate_series(1, 4) AS events (number)
WHERE merges.merged_on > now() - interval '90 days';

-- The roster of everybody, every day.
ALTER TABLE registry.imports DISABLE TRIGGER USER;
ALTER TABLE registry.people DISABLE TRIGGER USER;
INSERT INTO registry.imports (kind, file_name, file_sha256, row_count, imported_by, imported_at)
SELECT 'roster', 'roster.csv', md5(days.day::text), %(members)s, 'os:refresh', now() - make_interval(days => days.day)
FROM generate_series(%(runs)s, 1, -1) AS days (day);
INSERT INTO registry.people (import_id, line, email, name, status)
SELECT imports.import_id, lines.line, 'person-' || lines.line || '@example.com', 'Person ' || lines.line, 'active'
FROM registry.imports AS imports
CROSS JOIN generate_series(1, %(members)s) AS lines (line)
WHERE imports.imported_by = 'os:refresh';
ALTER TABLE registry.imports ENABLE TRIGGER USER;
ALTER TABLE registry.people ENABLE TRIGGER USER;
