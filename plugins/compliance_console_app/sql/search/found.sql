-- Purpose: whatever of a workspace, and of the catalogue, is called by a text: a few of each kind, the nearest first,
-- each with how many there are. An address is looked for as a whole, by whoever may decide, and is not returned.

WITH asked AS (
    SELECT
        lower(%(text)s::text) AS text,
        '{' || btrim(lower(%(text)s::text), '{}') || '}' AS identity
),

addresses AS (
    SELECT
        emails.member_id,
        array_agg(lower(emails.email)) AS found
    FROM staging.member_emails AS emails
    WHERE %(may_see_addresses)s::boolean AND emails.workspace = %(workspace)s
    GROUP BY emails.member_id
),

-- Kinds are numbers here: sorting thousands of rows by a word takes longer than finding them.
named AS (
    SELECT
        1 AS kind,
        coalesce(repositories.slug, repositories.repository_id) AS name,
        concat_ws(', ', nullif(repositories.name, repositories.slug), 'project ' || repositories.project_key) AS told,
        'repositories/' AS page,
        repositories.repository_id AS key,
        null AS more,
        lower(
            concat_ws(
                chr(10), repositories.slug, repositories.name, repositories.repository_id, repositories.project_key
            )
        ) AS names,
        ARRAY[lower(repositories.slug), lower(repositories.name), repositories.repository_id] AS whole
    FROM compliance.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
    UNION ALL
    SELECT DISTINCT
        2 AS kind,
        repositories.project_key AS name,
        null AS told,
        'repositories' AS page,
        null AS key,
        repositories.project_key AS more,
        lower(repositories.project_key) AS names,
        ARRAY[lower(repositories.project_key)] AS whole
    FROM compliance.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
    UNION ALL
    SELECT
        3 AS kind,
        coalesce(members.display_name, members.member_id),
        concat_ws(', ', nullif(members.nickname, members.display_name), members.account_id),
        'members/',
        members.member_id,
        null,
        lower(
            concat_ws(chr(10), members.display_name, members.nickname, members.account_id, members.member_id)
        ) AS names,
        ARRAY[lower(members.display_name), lower(members.nickname), lower(members.account_id), members.member_id]
        || addresses.found AS whole
    FROM compliance.members AS members
    LEFT JOIN addresses ON members.member_id = addresses.member_id
    WHERE members.workspace = %(workspace)s
    UNION ALL
    SELECT
        4 AS kind,
        tests.test_title AS name,
        tests.test_id AS told,
        'tests/' AS page,
        tests.test_id AS key,
        null AS more,
        lower(concat_ws(chr(10), tests.test_title, tests.test_id)) AS names,
        ARRAY[lower(tests.test_title), tests.test_id] AS whole
    FROM compliance.tests AS tests
    UNION ALL
    SELECT DISTINCT
        5 AS kind,
        controls.framework || ' ' || controls.control,
        controls.title,
        'controls/one',
        controls.framework,
        controls.control,
        lower(concat_ws(chr(10), controls.framework || ' ' || controls.control, controls.title)) AS names,
        ARRAY[lower(controls.framework || ' ' || controls.control), lower(controls.control)] AS whole
    FROM compliance.test_controls AS controls
    UNION ALL
    SELECT
        6 AS kind,
        codes.reason_code AS name,
        concat_ws(': ', tests.test_title, codes.meaning) AS told,
        'tests/' AS page,
        codes.test_id AS key,
        codes.reason_code AS more,
        concat_ws(chr(10), codes.reason_code, replace(codes.reason_code, '_', ' ')) AS names,
        ARRAY[codes.reason_code] AS whole
    FROM compliance.reason_codes AS codes
    INNER JOIN compliance.tests AS tests ON codes.test_id = tests.test_id
    UNION ALL
    SELECT
        7 AS kind,
        runs.run_id AS name,
        runs.status || ', ' || to_char(runs.started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') AS told,
        'runs/' AS page,
        runs.run_id AS key,
        null,
        lower(runs.run_id) AS names,
        ARRAY[lower(runs.run_id)] AS whole
    FROM compliance.runs AS runs
    WHERE runs.workspace = %(workspace)s
),

compared AS (
    SELECT
        named.kind,
        named.name,
        named.told,
        named.page,
        named.key,
        named.more,
        coalesce(asked.text = any(named.whole) OR asked.identity = any(named.whole), false) AS is_exact,
        nullif(strpos(lower(named.name), asked.text), 0) AS place
    FROM named
    CROSS JOIN asked
    WHERE
        strpos(named.names, asked.text) > 0
        OR asked.text = any(named.whole)
        OR asked.identity = any(named.whole)
),

ranked AS (
    SELECT
        compared.*,
        count(*) OVER (PARTITION BY compared.kind) AS total,
        row_number() OVER (
            PARTITION BY compared.kind
            ORDER BY compared.is_exact DESC, compared.place ASC, compared.name COLLATE "C" ASC -- noqa: RF03
        ) AS rank
    FROM compared
)

SELECT
    (ARRAY['repositories', 'projects', 'members', 'tests', 'controls', 'reason codes', 'runs'])[ranked.kind] AS kind,
    ranked.name,
    ranked.told,
    ranked.page,
    ranked.key,
    ranked.more,
    ranked.is_exact,
    ranked.total
FROM ranked
WHERE ranked.rank <= %(limit)s
ORDER BY ranked.kind ASC, ranked.rank ASC;
