-- Purpose: the repositories to judge, all of the workspace where only_subjects is null: what is declared of each, and
-- how the calls ended that read it. not_read_yet: why what is known of one is too little or too old to judge by; null:
-- it is not. is_empty: nobody ever pushed to it; null: whether anybody did could not be read.

CREATE FUNCTION judging.repositories(in_workspace text, only_subjects text[], oldest_reading timestamptz)
RETURNS TABLE (
    subject_id text, main_branch text, classification text, entry text, not_read_yet text,
    branch_restrictions text, branching_model text, pull_requests text, pull_request_statuses text,
    pipelines_config text, pipelines text, another_call_succeeded boolean,
    merge_checks text, default_reviewers text, is_empty boolean
)
LANGUAGE sql STABLE
AS $repositories$
    SELECT
        repositories.repository_id,
        repositories.main_branch,
        classification.classification,
        classification.target_type || ' ' || classification.target,
        CASE
            WHEN coverage.read_at IS null THEN 'Not read yet: the repository waits until the hour has requests left for it.'
            WHEN coverage.data_as_of < oldest_reading
                THEN format(
                    'Last read on %s, which is too long ago: the repository waits until the hour has requests left for it.',
                    (coverage.data_as_of AT TIME ZONE 'UTC')::date
                )
        END,
        coverage.branch_restrictions,
        coverage.branching_model,
        coverage.pull_requests,
        coverage.pull_request_statuses,
        coverage.pipelines_config,
        coverage.pipelines,
        coverage.another_call_succeeded,
        coverage.merge_checks,
        coverage.default_reviewers,
        CASE
            WHEN repositories.size IS DISTINCT FROM 0 THEN false
            WHEN coverage.main_branch_ref = 'not_found' THEN coverage.another_call_succeeded
            WHEN coverage.main_branch_ref = 'failed' THEN null
            ELSE false
        END
    FROM staging.repositories AS repositories
    INNER JOIN staging.repository_coverage AS coverage
        ON repositories.workspace = coverage.workspace AND repositories.repository_id = coverage.repository_id
    LEFT JOIN registry.repository_classification AS classification
        ON
            repositories.workspace = classification.workspace
            AND repositories.repository_id = classification.repository_id
    WHERE
        repositories.workspace = in_workspace
        AND (only_subjects IS null OR repositories.repository_id = any(only_subjects))
$repositories$;
