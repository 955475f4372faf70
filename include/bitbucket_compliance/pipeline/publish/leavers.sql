-- Purpose: record who left, as the rosters in force say. Whom a row named once stays known; a grace that a later policy
-- gives moves nothing.

WITH found AS (
    SELECT DISTINCT ON (identified.person_key, identified.last_working_day) identified.*
    FROM (
        SELECT
            encode(
                sha256(convert_to(coalesce(roster.email, roster.account_id, roster.name), 'UTF8')), 'hex'
            ) AS person_key,
            roster.roster_name,
            roster.name,
            roster.email,
            roster.account_id,
            roster.end_date AS last_working_day,
            roster.imported_at,
            given.member_id,
            given.matched_by,
            given.problem
        FROM
            unnest(
                %(rosters)s::text[],
                %(lines)s::integer[],
                %(leaver_members)s::text[],
                %(leaver_matches)s::text[],
                %(problems)s::text[]
            ) AS given (roster_name, line, member_id, matched_by, problem)
        INNER JOIN registry.roster AS roster
            ON given.roster_name = roster.roster_name AND given.line = roster.line
    ) AS identified
    ORDER BY
        identified.person_key ASC,
        identified.last_working_day ASC,
        identified.member_id ASC NULLS LAST,
        identified.roster_name ASC
),

-- when everybody who had access was seen
complete_listings AS (
    SELECT counts.counted_at
    FROM compliance.population_counts AS counts
    WHERE counts.workspace = %(workspace)s AND counts.population = 'members' AND counts.complete
    UNION ALL
    SELECT %(published_at)s::timestamptz AS counted_at
    FROM landing.calls AS calls
    WHERE
        calls.workspace = %(workspace)s
        AND calls.run_id = %(run_id)s
        AND calls.resource = 'members'
        AND calls.complete
),

unwatched AS (
    SELECT
        found.person_key,
        found.last_working_day,
        found.email,
        found.account_id
    FROM found
    LEFT JOIN compliance.leaver_records AS recorded
        ON
            recorded.workspace = %(workspace)s
            AND found.person_key = recorded.person_key
            AND found.last_working_day IS NOT DISTINCT FROM recorded.last_working_day
    WHERE found.member_id IS null AND found.problem IS null AND recorded.watched_since IS null
),

-- whose an address is can be told from the day on which a roster named it
named AS (
    SELECT
        unwatched.person_key,
        min(imports.imported_at) AS named_at
    FROM unwatched
    INNER JOIN registry.people AS people ON unwatched.email = people.email
    INNER JOIN registry.imports AS imports ON people.import_id = imports.import_id
    WHERE unwatched.account_id IS null
    GROUP BY unwatched.person_key
),

watched AS (
    SELECT
        unwatched.person_key,
        min(complete_listings.counted_at) AS since
    FROM unwatched
    LEFT JOIN named ON unwatched.person_key = named.person_key
    INNER JOIN complete_listings
        ON
            unwatched.account_id IS NOT null
            OR named.named_at <= complete_listings.counted_at
    GROUP BY unwatched.person_key
),

recorded AS (
    INSERT INTO compliance.leaver_records AS kept (
        workspace,
        person_key,
        roster_name,
        name,
        email,
        account_id,
        last_working_day,
        declared_at,
        is_declared,
        member_id,
        matched_by,
        problem,
        watched_since,
        grace_days,
        time_zone,
        policy_version,
        first_run_id,
        recorded_at,
        workspace_id
    )
    SELECT
        %(workspace)s AS workspace,
        found.person_key,
        found.roster_name,
        found.name,
        found.email,
        found.account_id,
        found.last_working_day,
        found.imported_at AS declared_at,
        true AS is_declared,
        found.member_id,
        found.matched_by,
        found.problem,
        watched.since AS watched_since,
        %(grace_days)s AS grace_days,
        %(time_zone)s AS time_zone,
        %(policy_version)s AS policy_version,
        %(run_id)s AS first_run_id,
        %(published_at)s AS recorded_at,
        %(workspace_id)s AS workspace_id
    FROM found
    LEFT JOIN watched ON found.person_key = watched.person_key
    ON CONFLICT (workspace, person_key, coalesce(last_working_day, '-infinity')) DO UPDATE SET
        is_declared = true,
        member_id = coalesce(kept.member_id, excluded.member_id),
        matched_by = coalesce(kept.matched_by, excluded.matched_by),
        problem = CASE
            WHEN kept.member_id IS NOT null THEN null
            -- an answer that is due again takes back nothing
            WHEN kept.problem IS null AND excluded.problem = 'addresses_not_answered' THEN null
            ELSE excluded.problem
        END,
        watched_since = coalesce(kept.watched_since, excluded.watched_since),
        recorded_at = excluded.recorded_at
    WHERE
    NOT kept.is_declared
    OR (kept.member_id IS null AND excluded.member_id IS NOT null)
    OR (
        kept.member_id IS null
        AND kept.problem IS DISTINCT FROM excluded.problem
        AND NOT (kept.problem IS null AND excluded.problem = 'addresses_not_answered')
    )
    OR (kept.watched_since IS null AND excluded.watched_since IS NOT null)
)

UPDATE compliance.leaver_records AS dropped
SET is_declared = false, recorded_at = %(published_at)s
WHERE
    dropped.workspace = %(workspace)s
    AND dropped.is_declared
    AND NOT EXISTS (
        SELECT 1
        FROM found
        WHERE
            found.person_key = dropped.person_key
            AND found.last_working_day IS NOT DISTINCT FROM dropped.last_working_day
    );
