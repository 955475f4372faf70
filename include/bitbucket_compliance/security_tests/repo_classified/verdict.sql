-- Purpose: judge repo_classified: is the repository declared, and is it no more public than declared?

WITH facts AS (
    SELECT
        repositories.workspace,
        repositories.repository_id,
        repositories.slug,
        repositories.is_private,
        repositories.data_as_of,
        classification.classification,
        classification.sensitivity,
        classification.target_type,
        classification.target,
        coalesce(classification.sensitivity <> 'public' AND repositories.is_private = false, false) AS conflict
    FROM staging.repositories AS repositories
    LEFT JOIN registry.repository_classification AS classification
        ON
            repositories.workspace = classification.workspace
            AND repositories.repository_id = classification.repository_id
    WHERE
        repositories.workspace = %(workspace)s
        AND (%(subjects)s::text[] IS null OR repositories.repository_id = any(%(subjects)s::text[]))
)

INSERT INTO judged.verdicts (
    workspace,
    run_id,
    test_id,
    subject_type,
    subject_id,
    subject_name,
    status,
    basis,
    reason_code,
    reason,
    detail,
    facts,
    data_as_of,
    evaluated_at
)
SELECT
    facts.workspace,
    %(run_id)s,
    'repo_classified',
    'repository',
    facts.repository_id,
    facts.slug,
    CASE WHEN facts.classification IS null OR facts.conflict THEN 'failing' ELSE 'passing' END,
    'registry',
    CASE
        WHEN facts.classification IS null THEN 'unclassified'
        WHEN facts.conflict THEN 'visibility_conflict'
        ELSE 'classified'
    END,
    CASE
        WHEN facts.classification IS null
            THEN 'No entry classifies this repository, its project or a pattern of its slug.'
        WHEN facts.conflict
            THEN format(
                'Declared %%s, but Bitbucket shows the repository to everybody.', facts.sensitivity
            )
        ELSE format(
            'Declared %%s by the %%s entry %%s.', facts.classification, facts.target_type, facts.target
        )
    END,
    jsonb_build_object(
        'classification', facts.classification,
        'sensitivity', facts.sensitivity,
        'entry', facts.target_type || ' ' || facts.target,
        'visibility', CASE facts.is_private WHEN true THEN 'private' WHEN false THEN 'public' END
    ),
    jsonb_build_object(
        'classification', facts.classification,
        'sensitivity', facts.sensitivity,
        'entry', facts.target_type || ' ' || facts.target,
        'conflict', facts.conflict
    ),
    facts.data_as_of,
    %(as_of)s
FROM facts;
