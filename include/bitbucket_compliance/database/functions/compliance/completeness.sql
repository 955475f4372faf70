-- Purpose: how whole each population is on each day of a period (UTC, the last one counts): what Bitbucket said there
-- is, what was read, what stands in the table, what differs and why, who read it with which rights, and what was not
-- looked at. A day without a whole run has a row that says so.

CREATE FUNCTION compliance.completeness(in_workspace text, first_day date, last_day date)
RETURNS TABLE (
    day date, population text, is_whole boolean, not_whole_because text[], run_id text, counted_at timestamptz,
    said integer, read integer, in_table integer, shown_whole_by text, differences jsonb, unexplained integer,
    reaches_back_to timestamptz, scopes_granted text[], identity_role text, subjects_in_error bigint,
    subjects_without_permission bigint
)
LANGUAGE sql STABLE
AS $completeness$
    WITH days AS (
        SELECT given.day::date AS day
        FROM generate_series(
            first_day::timestamp, least(last_day, (now() AT TIME ZONE 'UTC')::date)::timestamp, interval '1 day'
        ) AS given (day)
    ),

    expected AS (
        SELECT
            days.day,
            populations.population
        FROM days
        CROSS JOIN
            unnest(ARRAY['direct_pushes', 'leavers', 'members', 'pull_requests', 'repositories'])
                AS populations (population)
    ),

    -- the last whole run of a day
    counts AS (
        SELECT DISTINCT ON (counts.day, counts.population) counts.*
        FROM compliance.population_counts AS counts
        WHERE counts.workspace = in_workspace AND counts.day BETWEEN first_day AND last_day
        ORDER BY counts.day ASC, counts.population ASC, counts.counted_at DESC
    ),

    -- how results stood at the end of each day
    unread AS (
        SELECT
            days.day,
            count(DISTINCT history.subject_id) FILTER (WHERE history.status = 'error') AS in_error,
            count(DISTINCT history.subject_id) FILTER (WHERE history.status <> 'error') AS without_permission
        FROM days
        INNER JOIN compliance.result_history AS history
            ON
                history.valid_from < (days.day + 1)::timestamp AT TIME ZONE 'UTC'
                AND coalesce(history.valid_to >= (days.day + 1)::timestamp AT TIME ZONE 'UTC', true)
        WHERE
            history.workspace = in_workspace
            AND (history.status = 'error' OR history.reason_code IN ('scope_missing', 'permission_missing'))
        GROUP BY days.day
    ),

    reach AS (
        SELECT
            reached.population,
            min(reached.reaches_back_to) AS since
        FROM compliance.population_counts AS reached
        WHERE reached.workspace = in_workspace
        GROUP BY reached.population
    ),

    judged AS (
        SELECT
            expected.day,
            expected.population,
            array_remove(
                ARRAY[
                    CASE WHEN counts.run_id IS null THEN 'no whole run was published on this day' END,
                    counts.incomplete_because,
                    CASE
                        WHEN counts.complete IS false AND counts.incomplete_because IS null
                            THEN 'it is not shown that all was read'
                    END,
                    CASE WHEN counts.unexplained > 0 THEN counts.unexplained || ' differences have no reason' END,
                    CASE
                        WHEN expected.population NOT IN ('pull_requests', 'direct_pushes') THEN null
                        WHEN reach.since IS null THEN 'nothing told of such changes yet'
                        WHEN reach.since > expected.day::timestamp AT TIME ZONE 'UTC'
                            THEN
                                'the population reaches back to ' || (reach.since AT TIME ZONE 'UTC')::date
                                || ' and no further'
                    END
                ],
                null
            ) AS problems
        FROM expected
        LEFT JOIN counts ON expected.day = counts.day AND expected.population = counts.population
        LEFT JOIN reach ON expected.population = reach.population
    )

    SELECT
        judged.day,
        judged.population,
        judged.problems = '{}',
        judged.problems,
        counts.run_id,
        counts.counted_at,
        counts.said,
        counts.read,
        counts.in_table,
        counts.shown_whole_by,
        counts.differences,
        counts.unexplained,
        reach.since,
        runs.scopes_granted,
        runs.identity_role,
        coalesce(unread.in_error, 0),
        coalesce(unread.without_permission, 0)
    FROM judged
    LEFT JOIN counts ON judged.day = counts.day AND judged.population = counts.population
    LEFT JOIN compliance.runs AS runs ON counts.run_id = runs.run_id
    LEFT JOIN unread ON judged.day = unread.day
    LEFT JOIN reach ON judged.population = reach.population
    ORDER BY judged.day, judged.population
$completeness$;

COMMENT ON FUNCTION compliance.completeness(text, date, date) IS
'For each day (UTC) and population: whether it is whole, why not, what Bitbucket said there is (said), what was read, what stands in the table, differences by name with the reason, by which scopes and role it was read, and how many subjects could not be read or lacked a permission at the end of the day.';

GRANT EXECUTE ON FUNCTION compliance.completeness(text, date, date)
TO compliance_pipeline, compliance_console, compliance_reader;
