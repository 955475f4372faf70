-- Purpose: keep every body an object ever had as an interval: a body seen again is the same interval as long as no
-- other one came between.

WITH incoming AS (
    SELECT DISTINCT ON (incoming_objects.resource, incoming_objects.object_key) incoming_objects.*
    FROM incoming_objects
    ORDER BY incoming_objects.resource ASC, incoming_objects.object_key ASC, incoming_objects.fetched_at DESC
),

compared AS (
    SELECT
        incoming.*,
        known.first_fetched_at AS known_since,
        coalesce(known.body_hash = incoming.body_hash, false) AS is_same
    FROM incoming
    LEFT JOIN LATERAL (
        SELECT
            objects.first_fetched_at,
            objects.body_hash
        FROM landing.objects AS objects
        WHERE
            objects.workspace = %(workspace)s
            AND objects.resource = incoming.resource
            AND objects.object_key = incoming.object_key
        ORDER BY objects.first_fetched_at DESC
        LIMIT 1
    ) AS known ON true
),

seen_again AS (
    UPDATE landing.objects AS objects
    SET fetched_at = compared.fetched_at, run_id = %(run_id)s
    FROM compared
    WHERE
        compared.is_same
        AND objects.workspace = %(workspace)s
        AND objects.resource = compared.resource
        AND objects.object_key = compared.object_key
        AND objects.first_fetched_at = compared.known_since
        AND objects.body_hash = compared.body_hash
)

INSERT INTO landing.objects AS objects (
    workspace, resource, object_key, repository_id, body_hash, body, first_fetched_at, fetched_at, run_id
)
SELECT
    %(workspace)s,
    compared.resource,
    compared.object_key,
    compared.repository_id,
    compared.body_hash,
    compared.body,
    compared.fetched_at AS first_fetched_at,
    compared.fetched_at,
    %(run_id)s
FROM compared
WHERE NOT compared.is_same
ON CONFLICT (workspace, resource, object_key, first_fetched_at, body_hash) DO UPDATE
    SET run_id = excluded.run_id;
