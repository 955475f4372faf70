-- Purpose: the views the quality gates look at; each shows one workspace and one run, named by session settings.
-- A gate opens its session with compliance.workspace and compliance.run_id, so no value is ever built into SQL.

CREATE VIEW quality.repositories AS
SELECT * FROM staging.repositories
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.members AS
SELECT * FROM staging.members
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.branch_restrictions AS
SELECT
    *,
    repository_id || '#' || restriction_id AS restriction_key
FROM staging.branch_restrictions
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.pull_requests AS
SELECT
    *,
    repository_id || '#' || pull_request_id AS pull_request_key
FROM staging.pull_requests
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.coverage AS
SELECT * FROM staging.coverage
WHERE workspace = current_setting('compliance.workspace');

CREATE VIEW quality.unread_repositories AS
SELECT
    items.repository_id,
    items.slug,
    resources.resource
FROM landing.work_items AS items
CROSS JOIN (
    VALUES ('branch_restrictions'), ('pull_requests'), ('pipelines_config'), ('pipelines')
) AS resources (resource)
WHERE
    items.workspace = current_setting('compliance.workspace')
    AND items.run_id = current_setting('compliance.run_id')
    AND NOT EXISTS (
        SELECT 1
        FROM landing.calls AS calls
        WHERE
            calls.workspace = items.workspace
            AND calls.run_id = items.run_id
            AND calls.repository_id = items.repository_id
            AND calls.resource = resources.resource
    );
COMMENT ON VIEW quality.unread_repositories IS 'Listed repositories with neither an answer nor a recorded failure.';

CREATE VIEW quality.error_share AS
WITH repositories AS (
    SELECT
        items.repository_id,
        coalesce(bool_or(
            calls.outcome = 'failed'
            OR (calls.outcome = 'not_found' AND calls.resource <> 'pipelines_config')
        ), false) AS failed
    FROM landing.work_items AS items
    LEFT JOIN landing.calls AS calls
        ON
            items.workspace = calls.workspace
            AND items.run_id = calls.run_id
            AND items.repository_id = calls.repository_id
    WHERE
        items.workspace = current_setting('compliance.workspace')
        AND items.run_id = current_setting('compliance.run_id')
    GROUP BY items.repository_id
)

SELECT
    count(*) AS listed,
    count(*) FILTER (WHERE failed) AS failed,
    coalesce(count(*) FILTER (WHERE failed)::double precision / nullif(count(*), 0), 0) AS share
FROM repositories;
COMMENT ON VIEW quality.error_share IS
'Share of listed repositories of which a call failed. Missing rights are no failure; nor is a repository on which Pipelines was never configured.';

CREATE VIEW quality.shrink AS
WITH listed AS (
    SELECT
        'repositories' AS listing,
        (
            SELECT count(*) FROM staging.repositories AS staged
            WHERE staged.workspace = current_setting('compliance.workspace')
        ) AS now_listed,
        (
            SELECT count(*) FROM compliance.repositories AS published
            WHERE published.workspace = current_setting('compliance.workspace')
        ) AS last_published
    UNION ALL
    SELECT
        'members' AS listing,
        (
            SELECT count(*) FROM staging.members AS staged
            WHERE staged.workspace = current_setting('compliance.workspace')
        ) AS now_listed,
        (
            SELECT count(*) FROM compliance.members AS published
            WHERE published.workspace = current_setting('compliance.workspace')
        ) AS last_published
)

SELECT
    listing,
    now_listed,
    last_published,
    greatest(last_published - now_listed, 0) AS missing,
    CASE
        WHEN last_published - now_listed > 3
            THEN (last_published - now_listed)::double precision / last_published
        ELSE 0
    END AS share
FROM listed;
COMMENT ON VIEW quality.shrink IS
'How much shorter a listing is than the last published one; up to three missing objects count as none.';

CREATE VIEW quality.listing_anomalies AS
SELECT
    resource,
    repository_id,
    items,
    listing_size,
    repeated_items
FROM landing.calls
WHERE
    workspace = current_setting('compliance.workspace')
    AND run_id = current_setting('compliance.run_id')
    AND outcome = 'ok'
    AND (repeated_items > 0 OR items <> listing_size);
COMMENT ON VIEW quality.listing_anomalies IS
'Listings that, also when read again, repeated an object or disagreed with their own size.';

CREATE VIEW quality.roster_age AS
SELECT
    max(imports.imported_at) AS imported_at,
    extract(EPOCH FROM now() - max(imports.imported_at)) / 86400.0 AS age_days
FROM registry.imports AS imports
WHERE imports.kind = 'roster';

CREATE VIEW quality.verdicts AS
SELECT
    *,
    test_id || ' ' || subject_id AS verdict_key,
    extract(EPOCH FROM evaluated_at - data_as_of) / 3600.0 AS data_age_hours
FROM judged.verdicts
WHERE
    workspace = current_setting('compliance.workspace')
    AND run_id = current_setting('compliance.run_id');

CREATE VIEW quality.passing_verdicts AS
SELECT * FROM quality.verdicts
WHERE status = 'passing';

CREATE VIEW quality.verdict_mismatches AS
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
        staged.repository_id AS subject_id
    FROM staging.repositories AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'member' AS subject_type,
        staged.member_id AS subject_id
    FROM staging.members AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
    UNION ALL
    SELECT
        'workspace' AS subject_type,
        staged.workspace_id AS subject_id
    FROM staging.workspaces AS staged
    WHERE staged.workspace = current_setting('compliance.workspace')
)

SELECT
    coalesce(expected.test_id, verdicts.test_id) AS test_id,
    coalesce(expected.subject_id, verdicts.subject_id) AS subject_id,
    expected.test_id IS NOT null AS is_expected,
    verdicts.test_id IS NOT null AS is_judged
FROM (
    SELECT
        enabled_tests.test_id,
        subjects.subject_id
    FROM enabled_tests
    INNER JOIN subjects ON enabled_tests.subject_type = subjects.subject_type
) AS expected
FULL OUTER JOIN quality.verdicts AS verdicts
    ON expected.test_id = verdicts.test_id AND expected.subject_id = verdicts.subject_id
WHERE expected.test_id IS null OR verdicts.test_id IS null;
COMMENT ON VIEW quality.verdict_mismatches IS
'Where verdicts and subjects x enabled tests disagree: a subject nobody judged, or a verdict nobody asked for.';
