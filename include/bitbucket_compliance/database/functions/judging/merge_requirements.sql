-- Purpose: what the tests of merging ask of each repository. own: what its rules require, null where they could not be
-- read (configuration says why); merges_read, builds_read: how listing pull requests and asking for their builds ended;
-- merges_partly_read: others than those listed may be missing, so that one that broke the rule counts and clean ones
-- don't; failed_call: the first call that failed; evidence: that which counts.

CREATE FUNCTION judging.merge_requirements(
    in_workspace text, only_subjects text[], oldest_reading timestamptz,
    about_test text, kinds text[], at_least integer, today date, validity_days integer
)
RETURNS TABLE (
    subject_id text, main_branch text, classification text, entry text, not_read_yet text, direct_push text,
    configuration text, own text, rules jsonb, merges_read text, builds_read text, failed_call text,
    evidence_id uuid, captured_on date, merges_partly_read boolean
)
LANGUAGE sql STABLE
AS $merge_requirements$
    SELECT
        repositories.subject_id,
        repositories.main_branch,
        repositories.classification,
        repositories.entry,
        repositories.not_read_yet,
        coalesce(push.direct_push, 'unknown'),
        reading.configuration,
        CASE WHEN reading.configuration = 'ok' THEN coalesce(checks.own, 'none') END,
        coalesce(checks.rules, '[]'),
        reading.merges_read,
        coalesce(repositories.pull_request_statuses, 'ok'),
        CASE
            WHEN reading.configuration = 'failed' AND repositories.branch_restrictions = 'ok'
                THEN 'the effective branching model'
            WHEN reading.configuration = 'failed' THEN 'the branch restrictions'
            WHEN reading.merges_read = 'failed' THEN 'the pull requests'
        END,
        evidence.evidence_id,
        evidence.captured_on,
        EXISTS (
            SELECT 1
            FROM staging.coverage AS listed
            WHERE
                listed.workspace = in_workspace
                AND listed.repository_id = repositories.subject_id
                AND listed.resource = 'pull_requests'
                AND listed.outcome = 'ok'
                AND NOT listed.complete
        )
    FROM judging.repositories(in_workspace, only_subjects, oldest_reading) AS repositories
    LEFT JOIN staging.main_branch_push AS push
        ON push.workspace = in_workspace AND repositories.subject_id = push.repository_id
    LEFT JOIN judging.merge_checks(in_workspace, only_subjects, kinds, at_least) AS checks
        ON repositories.subject_id = checks.repository_id
    CROSS JOIN
        LATERAL (
            SELECT
                judging.configuration(
                    repositories.branch_restrictions, repositories.branching_model, coalesce(checks.is_certain, true)
                ) AS configuration,
                CASE
                    WHEN repositories.pull_requests IN ('ok', 'scope_missing', 'permission_missing')
                        THEN repositories.pull_requests
                    ELSE 'failed'
                END AS merges_read
        ) AS reading
    -- rules that could be read leave room for those of the project alone
    LEFT JOIN judging.evidence(in_workspace, about_test, today, validity_days) AS evidence
        ON
            repositories.subject_id = evidence.repository_id
            AND (reading.configuration = 'ok') = evidence.about_project
$merge_requirements$;
