-- Purpose: repo_classified: is the repository declared, and is it no more public than declared?

WITH asked AS (
    SELECT
        repositories.*,
        coalesce(repositories.sensitivity <> 'public' AND NOT repositories.is_private, false) AS conflict
    FROM judging.repositories(%(workspace)s, %(subjects)s, %(oldest_reading)s) AS repositories
),

decided AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN classification IS null THEN 'unclassified'
            WHEN conflict THEN 'visibility_conflict'
            ELSE 'classified'
        END AS reason_code,
        jsonb_build_object(
            'classification', classification, 'sensitivity', sensitivity, 'entry', entry
        ) AS declared
    FROM asked
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'unclassified' THEN 'No entry classifies this repository, its project or a pattern of its slug.'
        WHEN 'visibility_conflict'
            THEN format('Declared %%s, but Bitbucket shows the repository to everybody.', sensitivity)
        WHEN 'classified' THEN format('Declared %%s by the %%s entry %%s.', classification, target_type, target)
    END AS reason,
    declared
    || jsonb_build_object('visibility', CASE is_private WHEN true THEN 'private' WHEN false THEN 'public' END)
        AS detail,
    declared || jsonb_build_object('conflict', conflict) AS facts
FROM decided;
