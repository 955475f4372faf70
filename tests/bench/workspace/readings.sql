-- Purpose: what reading the repositories of one chunk brings, in the session's tables that land_objects, land_calls and
-- land_reads take from.

CREATE TEMPORARY TABLE chunk ON COMMIT DROP AS
SELECT
    repositories.*,
    resources.resource,
    coalesce(outcomes.outcome, 'ok') AS outcome,
    outcomes.http_status
FROM landing.work_items AS items
INNER JOIN bench.repositories AS repositories ON items.repository_id = repositories.repository_id
CROSS JOIN (
    VALUES
    ('branch_restrictions'),
    ('effective_branching_model'),
    ('pull_requests'),
    ('pull_request_statuses'),
    ('pipelines_config'),
    ('pipelines')
) AS resources (resource)
LEFT JOIN bench.outcomes AS outcomes
    ON repositories.kind = outcomes.kind AND resources.resource = outcomes.resource
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    -- asked only where rules name a branch type, and where rules can't be read or may be inherited
    AND (resources.resource <> 'effective_branching_model' OR repositories.kind = 'by_model')
    AND (
        resources.resource <> 'pull_request_statuses'
        OR starts_with(repositories.kind, 'hidden')
        OR repositories.kind = 'inherited'
    );
ANALYZE chunk;

INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id || '#' || (1000000 + 100 * chunk.number + rules.place),
    jsonb_build_object(
        'id', 1000000 + 100 * chunk.number + rules.place,
        'kind', rules.restriction,
        'branch_match_kind', CASE WHEN rules.branch = 'production' THEN 'branching_model' ELSE 'glob' END,
        'pattern', CASE WHEN rules.branch = 'production' THEN '' ELSE rules.branch END,
        'value', rules.value,
        'users', CASE
            WHEN rules.restriction = 'push' THEN jsonb_build_array(
                jsonb_build_object('uuid', bench.identity('member 1'), 'display_name', 'Member 1')
            )
            ELSE '[]'
        END,
        'groups', CASE
            WHEN rules.restriction = 'push' AND mod(chunk.number, 3) = 0
                THEN '[{"slug": "release-managers", "name": "Release managers"}]'::jsonb
            ELSE '[]'
        END
    ) || CASE WHEN rules.branch = 'production' THEN '{"branch_type": "production"}'::jsonb ELSE '{}' END,
    %(fetched_at)s
FROM chunk
INNER JOIN bench.restrictions AS rules ON chunk.kind = rules.kind
WHERE
    chunk.resource = 'branch_restrictions'
    AND chunk.outcome = 'ok'
    AND (chunk.deletion_prevented OR rules.restriction <> 'delete' OR rules.branch = 'release/*')
    AND (chunk.merge_checks_enforced OR rules.restriction <> 'enforce_merge_checks');

INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id,
    '{
        "development": {"name": "develop", "use_mainbranch": false},
        "production": {"name": "main", "use_mainbranch": false},
        "branch_types": [{"kind": "feature", "prefix": "feature/"}, {"kind": "release", "prefix": "release/"}]
    }',
    %(fetched_at)s
FROM chunk
WHERE chunk.resource = 'effective_branching_model';

-- the first ones are open, the others were merged, the last one yesterday
INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id || '#' || pulls.number,
    jsonb_build_object(
        'id', pulls.number,
        'state', CASE WHEN pulls.is_merged THEN 'MERGED' ELSE 'OPEN' END,
        'author', jsonb_build_object('uuid', bench.identity('member ' || mod(chunk.number + pulls.number, 97))),
        'destination', jsonb_build_object('branch', jsonb_build_object('name', 'main')),
        'created_on', chunk.day - make_interval(days => 4 * (%(pull_requests)s - pulls.number) + 3),
        'updated_on', chunk.day - make_interval(days => 4 * (%(pull_requests)s - pulls.number) + 1),
        'participants', jsonb_build_array(
            jsonb_build_object(
                'approved',
                pulls.is_merged AND NOT (
                    chunk.kind IN ('hidden_unreviewed', 'open') AND pulls.number IN (14, %(pull_requests)s - 1)
                ),
                'user',
                jsonb_build_object(
                    'uuid', bench.identity('member ' || mod(chunk.number + pulls.number + 1, 97)), 'type', 'user'
                )
            ),
            jsonb_build_object(
                'approved', false,
                'user', jsonb_build_object('uuid', bench.identity('member 0'), 'type', 'user')
            )
        )
    ),
    %(fetched_at)s
FROM chunk
CROSS JOIN LATERAL (
    SELECT
        numbers.number,
        numbers.number > CASE
            WHEN chunk.kind = 'hidden_quiet' THEN %(pull_requests)s - 2 ELSE 0.4 * %(pull_requests)s
        END AS is_merged
    FROM generate_series(1, %(pull_requests)s) AS numbers (number)
) AS pulls
WHERE chunk.resource = 'pull_requests' AND chunk.outcome = 'ok' AND chunk.kind <> 'empty';

-- newest first, until one breaks the rule
INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id || '#' || pulls.number,
    jsonb_build_object(
        'pull_request_id', pulls.number,
        'values', jsonb_build_array(
            jsonb_build_object('key', 'unit tests', 'state', 'SUCCESSFUL'),
            jsonb_build_object(
                'key', 'package',
                'state', CASE
                    WHEN chunk.kind = 'hidden_unbuilt' AND pulls.number = %(pull_requests)s - 1 THEN 'FAILED'
                    ELSE 'SUCCESSFUL'
                END
            )
        )
    ),
    %(fetched_at)s
FROM chunk
CROSS JOIN LATERAL generate_series(
    %(pull_requests)s - CASE WHEN chunk.kind IN ('hidden_unbuilt', 'hidden_quiet') THEN 1 ELSE 4 END,
    %(pull_requests)s
) AS pulls (number)
WHERE chunk.resource = 'pull_request_statuses';

INSERT INTO incoming_objects (resource, repository_id, object_key, body, fetched_at)
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id,
    jsonb_build_object('enabled', chunk.kind <> 'advisory'),
    %(fetched_at)s
FROM chunk
WHERE chunk.resource = 'pipelines_config' AND chunk.outcome = 'ok'
UNION ALL
SELECT
    chunk.resource,
    chunk.repository_id,
    chunk.repository_id || '#' || bench.identity('pipeline ' || chunk.number),
    jsonb_build_object(
        'uuid', bench.identity('pipeline ' || chunk.number),
        'build_number', 100 + chunk.number,
        'state', '{"name": "COMPLETED", "result": {"name": "SUCCESSFUL"}}'::jsonb,
        'created_on', chunk.day - interval '2 days',
        'completed_on', chunk.day - interval '47 hours'
    ),
    %(fetched_at)s
FROM chunk
WHERE chunk.resource = 'pipelines' AND chunk.outcome = 'ok' AND chunk.kind <> 'hidden_quiet';

UPDATE incoming_objects SET body_hash = encode(sha256(convert_to(body::text, 'UTF8')), 'hex');

INSERT INTO incoming_calls (
    resource,
    repository_id,
    item_key,
    outcome,
    http_status,
    message,
    requests,
    items,
    listing_size,
    repeated_items,
    reread,
    fetched_at
)
SELECT
    chunk.resource,
    chunk.repository_id,
    '',
    chunk.outcome,
    chunk.http_status,
    CASE WHEN chunk.outcome <> 'ok' THEN 'HTTP ' || chunk.http_status END,
    1,
    coalesce(objects.items, 0),
    CASE
        WHEN chunk.resource IN ('branch_restrictions', 'pull_requests') AND chunk.outcome = 'ok'
            THEN coalesce(objects.items, 0)
    END,
    0,
    false,
    %(fetched_at)s
FROM chunk
LEFT JOIN (
    SELECT
        incoming_objects.repository_id,
        incoming_objects.resource,
        count(*) AS items
    FROM incoming_objects
    GROUP BY incoming_objects.repository_id, incoming_objects.resource
) AS objects
    ON chunk.repository_id = objects.repository_id AND chunk.resource = objects.resource
WHERE chunk.resource <> 'pull_request_statuses'
UNION ALL
SELECT
    objects.resource,
    objects.repository_id,
    objects.body ->> 'pull_request_id',
    'ok',
    200,
    null,
    1,
    1,
    null,
    0,
    false,
    %(fetched_at)s
FROM incoming_objects AS objects
WHERE objects.resource = 'pull_request_statuses';

INSERT INTO incoming_reads (repository_id, read_at, complete)
SELECT
    chunk.repository_id,
    %(fetched_at)s,
    bool_and(chunk.outcome <> 'failed')
FROM chunk
GROUP BY chunk.repository_id;

ANALYZE incoming_objects;
