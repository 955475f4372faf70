-- Purpose: repo_classified: is the repository declared, and is it no more public than declared?

WITH asked AS (
    SELECT
        repositories.repository_id AS subject_id,
        repositories.is_private,
        declared.classification,
        declared.sensitivity,
        declared.target_type,
        declared.target,
        another.target AS of_another,
        another.meant_id,
        coalesce(declared.sensitivity <> 'public' AND NOT repositories.is_private, false) AS conflict,
        jsonb_build_object(
            'classification', declared.classification,
            'sensitivity', declared.sensitivity,
            'entry', declared.target_type || ' ' || declared.target
        ) AS declared
    FROM staging.repositories AS repositories
    LEFT JOIN registry.repository_classification AS declared
        ON repositories.workspace = declared.workspace AND repositories.repository_id = declared.repository_id
    LEFT JOIN registry.classification_of_another AS another
        ON repositories.workspace = another.workspace AND repositories.repository_id = another.repository_id
    WHERE
        repositories.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
),

decided AS (
    SELECT
        *,
        CASE
            WHEN classification IS null THEN 'unclassified'
            WHEN conflict THEN 'visibility_conflict'
            ELSE 'classified'
        END AS reason_code
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
    END
    || CASE
        WHEN of_another IS NOT null
            THEN
                format(' The entry %%s means the repository %%s, which had this slug when it was', of_another, meant_id)
                || format(' declared, and not this one, %%s.', subject_id)
        ELSE ''
    END AS reason,
    declared
    || jsonb_build_object('visibility', CASE is_private WHEN true THEN 'private' WHEN false THEN 'public' END)
        AS detail,
    declared || jsonb_build_object('conflict', conflict) AS facts
FROM decided;
