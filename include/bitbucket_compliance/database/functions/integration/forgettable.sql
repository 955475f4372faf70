-- Purpose: which rows of history retention may delete, by table: a condition on "one", the row, and $2, the instant
-- that its validity ended before. What no row here covers stays.

CREATE FUNCTION integration.forgettable() RETURNS TABLE (relation text, condition text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $forgettable$
    VALUES
    -- The first interval tells since when a subject is known, the last one before the instant what came before.
    (
        'compliance.result_history',
        $$one.valid_to < $2 AND EXISTS (
            SELECT 1 FROM compliance.result_history AS earlier
            WHERE
                earlier.workspace = one.workspace AND earlier.test_id = one.test_id
                AND earlier.subject_id = one.subject_id AND earlier.valid_from < one.valid_from
        ) AND EXISTS (
            SELECT 1 FROM compliance.result_history AS later
            WHERE
                later.workspace = one.workspace AND later.test_id = one.test_id
                AND later.subject_id = one.subject_id AND later.valid_from > one.valid_from AND later.valid_to < $2
        )$$
    ),
    (
        'compliance.repository_history',
        $$one.valid_to < $2 AND (
            EXISTS (
                SELECT 1 FROM compliance.repository_history AS later
                WHERE
                    later.workspace = one.workspace AND later.repository_id = one.repository_id
                    AND later.valid_from > one.valid_from AND later.valid_to < $2
            ) OR NOT EXISTS (
                SELECT 1 FROM compliance.repository_history AS later
                WHERE
                    later.workspace = one.workspace AND later.repository_id = one.repository_id
                    AND later.valid_from > one.valid_from
            )
        )$$
    ),
    (
        'compliance.member_history',
        $$one.valid_to < $2 AND (
            EXISTS (
                SELECT 1 FROM compliance.member_history AS later
                WHERE
                    later.workspace = one.workspace AND later.member_id = one.member_id
                    AND later.valid_from > one.valid_from AND later.valid_to < $2
            ) OR NOT EXISTS (
                SELECT 1 FROM compliance.member_history AS later
                WHERE
                    later.workspace = one.workspace AND later.member_id = one.member_id
                    AND later.valid_from > one.valid_from
            )
        )$$
    ),
    (
        'compliance.member_addresses',
        $$one.confirmed_at < $2 AND NOT EXISTS (
            SELECT 1 FROM compliance.member_history AS known
            WHERE known.workspace = one.workspace AND known.member_id = one.member_id
        )$$
    ),
    ('compliance.finding_records', 'one.ended_at < $2'),
    ('compliance.stale_records', 'one.stale_to < $2'),
    ('compliance.changes', 'one.merged_on < $2 AND one.recorded_at < $2'),
    (
        'compliance.leaver_records',
        'NOT one.is_declared AND one.recorded_at < $2 AND coalesce(one.last_working_day < $2::date, true)'
    ),
    ('compliance.population_counts', 'one.counted_at < $2'),
    ('compliance.daily_observations', 'one.day < $2::date'),
    -- An instant at which an interval that stays begins or ends was a publication.
    (
        'integration.publications',
        $$one.published_at < $2 AND NOT EXISTS (
            SELECT 1 FROM compliance.result_history AS begun
            WHERE begun.workspace = one.workspace AND begun.valid_from = one.published_at
        ) AND NOT EXISTS (
            SELECT 1 FROM compliance.result_history AS ended
            WHERE ended.workspace = one.workspace AND ended.valid_to = one.published_at
        )$$
    ),
    -- A run stays for as long as something that stays names it.
    (
        'integration.runs',
        $$one.started_at < $2 AND one.status <> 'running' AND NOT EXISTS (
            SELECT 1 FROM compliance.result_history AS history
            WHERE history.workspace = one.workspace AND history.run_id = one.run_id
        ) AND NOT EXISTS (
            SELECT 1 FROM compliance.results AS results
            WHERE results.workspace = one.workspace AND results.run_id = one.run_id
        ) AND NOT EXISTS (
            SELECT 1 FROM compliance.finding_records AS found
            WHERE found.workspace = one.workspace AND found.run_id = one.run_id
        )$$
    )
$forgettable$;
