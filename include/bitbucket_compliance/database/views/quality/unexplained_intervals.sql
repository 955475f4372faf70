-- Purpose: intervals of history that no publication of the pipeline began or ended, and publications whose intervals
-- are not as many as they were: somebody wrote to history past the pipeline. Of publications before the instant from
-- which on history is kept, retention has deleted intervals.

CREATE VIEW quality.unexplained_intervals AS
WITH history AS (
    SELECT
        intervals.test_id,
        intervals.subject_id,
        CASE WHEN intervals.subject_type = 'repository' THEN intervals.subject_name END AS repository,
        intervals.run_id,
        intervals.valid_from,
        intervals.valid_to,
        intervals.exception_id,
        lag(intervals.valid_to) OVER subject AS previous_to,
        lag(intervals.exception_id) OVER subject AS previous_exception
    FROM compliance.result_history AS intervals
    WHERE intervals.workspace = current_setting('compliance.workspace')
    WINDOW subject AS (PARTITION BY intervals.test_id, intervals.subject_id ORDER BY intervals.valid_from)
),

publications AS (
    SELECT
        noted.published_at,
        noted.run_id,
        noted.intervals_opened,
        noted.intervals_ended
    FROM integration.publications AS noted
    WHERE noted.workspace = current_setting('compliance.workspace')
),

opened AS (
    SELECT
        history.valid_from AS at,
        count(*) AS intervals
    FROM history
    GROUP BY history.valid_from
),

ended AS (
    SELECT
        history.valid_to AS at,
        count(*) AS intervals
    FROM history
    WHERE history.valid_to IS NOT null
    GROUP BY history.valid_to
),

found AS (
    SELECT
        history.*,
        CASE
            WHEN history.previous_to > history.valid_from THEN 'begins before the one in front of it ends'
            WHEN
                NOT EXISTS (
                    SELECT 1 FROM integration.runs AS runs
                    WHERE
                        runs.workspace = current_setting('compliance.workspace') AND runs.run_id = history.run_id
                )
                THEN 'opened by no run'
            WHEN
                NOT EXISTS (SELECT 1 FROM publications WHERE publications.published_at = history.valid_from)
                -- where an exception expired, an interval ends and the next one begins
                AND NOT coalesce(
                    history.previous_to = history.valid_from AND history.previous_exception IS NOT null, false
                )
                THEN 'begins at no publication'
            WHEN
                history.valid_to IS NOT null
                AND NOT EXISTS (SELECT 1 FROM publications WHERE publications.published_at = history.valid_to)
                AND NOT EXISTS (
                    SELECT 1 FROM registry.exceptions AS exceptions
                    WHERE
                        exceptions.exception_id = history.exception_id
                        AND history.valid_to
                        = greatest(exceptions.expires_at, history.valid_from + interval '1 microsecond')
                )
                THEN 'ends at no publication'
        END AS problem
    FROM history
)

SELECT
    found.test_id,
    found.subject_id,
    found.repository,
    found.run_id,
    found.valid_from,
    found.problem
FROM found
WHERE found.problem IS NOT null
UNION ALL
SELECT
    null AS test_id,
    null AS subject_id,
    null AS repository,
    publications.run_id,
    publications.published_at AS valid_from,
    'opened ' || publications.intervals_opened || ' and ended ' || publications.intervals_ended
    || ' intervals, and there are ' || coalesce(opened.intervals, 0) || ' and ' || coalesce(ended.intervals, 0)
        AS problem
FROM publications
LEFT JOIN opened ON publications.published_at = opened.at
LEFT JOIN ended ON publications.published_at = ended.at
WHERE
    (
        publications.intervals_opened <> coalesce(opened.intervals, 0)
        OR publications.intervals_ended <> coalesce(ended.intervals, 0)
    )
    AND NOT EXISTS (
        SELECT 1
        FROM compliance.history_kept AS kept
        WHERE
            kept.workspace = current_setting('compliance.workspace')
            AND publications.published_at < kept.kept_from
            AND publications.intervals_opened >= coalesce(opened.intervals, 0)
            AND publications.intervals_ended >= coalesce(ended.intervals, 0)
    );
