-- Purpose: what the tests of merging ask of each repository. own: what its rules require, null where they could not be
-- read (configuration says why); in_effect: what the merge checks of a pull request require, null where none were seen;
-- rule_code: what follows from both; required to seen_at: of whichever decides. failed_call: the first that failed;
-- evidence: that which counts; not_peers: default reviewers whose approvals count for nothing. failed_before: rules
-- can't be read, and fell short when they last were.

CREATE FUNCTION judging.merge_requirements(
    in_workspace text, only_subjects text[], oldest_reading timestamptz, about_test text,
    kinds text[], check_kinds text, reviewers_kinds text[], at_least integer,
    oldest_checks timestamptz, today date, validity_days integer, time_zone text, not_peers text[]
)
RETURNS TABLE (
    subject_id text, main_branch text, classification text, entry text, not_read_yet text, is_empty boolean,
    direct_push text, bypassable boolean, configuration text, own text, in_effect text, rule_code text, rules jsonb,
    required integer, enforced boolean, pull_request_id bigint, seen_at timestamptz, is_remembered boolean,
    merges_read text, builds_read text, failed_call text, evidence_id uuid, captured_on date,
    failed_before boolean, in_force_since timestamptz
)
LANGUAGE sql STABLE
AS $merge_requirements$
    SELECT
        repositories.subject_id,
        repositories.main_branch,
        repositories.classification,
        repositories.entry,
        repositories.not_read_yet,
        repositories.is_empty,
        coalesce(push.direct_push, 'unknown'),
        CASE push.direct_push WHEN 'unrestricted' THEN true WHEN 'restricted' THEN false END,
        reading.configuration,
        rules.own,
        rules.in_effect,
        decided.rule_code,
        CASE WHEN rules.own IS null THEN '[]' ELSE coalesce(own.rules, '[]') END
        || CASE WHEN decided.by_checks THEN effect.checks ELSE '[]' END,
        CASE WHEN decided.by_checks THEN effect.required WHEN rules.own IS NOT null THEN coalesce(own.required, 0) END,
        CASE
            WHEN decided.by_checks THEN effect.enforced
            WHEN rules.own IS NOT null THEN coalesce(own.enforced, false)
        END,
        CASE WHEN decided.by_checks THEN effect.pull_request_id END,
        CASE WHEN decided.by_checks THEN effect.seen_at END,
        decided.by_checks AND effect.is_remembered,
        reading.merges_read,
        coalesce(repositories.pull_request_statuses, 'ok'),
        CASE
            WHEN repositories.is_empty IS null THEN 'the main branch'
            WHEN reading.configuration = 'failed' AND repositories.branch_restrictions = 'ok'
                THEN 'the effective branching model'
            WHEN reading.configuration = 'failed' THEN 'the branch restrictions'
            WHEN decided.rule_code = 'extract_failed' THEN 'the default reviewers'
            WHEN reading.merges_read = 'failed' THEN 'the pull requests'
        END,
        evidence.evidence_id,
        evidence.captured_on,
        rules.own IS null AND coalesce(before.failed, false),
        before.in_force_since
    FROM judging.repositories(in_workspace, only_subjects, oldest_reading) AS repositories
    CROSS JOIN (SELECT judging.not_peers(in_workspace, not_peers) AS found) AS accounts
    LEFT JOIN staging.main_branch_push AS push
        ON push.workspace = in_workspace AND repositories.subject_id = push.repository_id
    LEFT JOIN judging.merge_checks(in_workspace, only_subjects, kinds, reviewers_kinds, at_least) AS own
        ON repositories.subject_id = own.repository_id
    LEFT JOIN
        judging.checks_in_effect(
            in_workspace, only_subjects, check_kinds, reviewers_kinds, at_least, oldest_checks
        ) AS effect
        ON repositories.subject_id = effect.repository_id
    LEFT JOIN staging.default_reviewers AS reviewers
        ON reviewers.workspace = in_workspace AND repositories.subject_id = reviewers.repository_id
    LEFT JOIN judging.last_readings(in_workspace, about_test) AS before
        ON repositories.subject_id = before.subject_id
    CROSS JOIN
        LATERAL (
            SELECT count(*) FILTER (WHERE lower(named.reviewer) <> all(accounts.found))::integer AS reviewers
            FROM unnest(reviewers.reviewers) AS named (reviewer)
        ) AS peers
    CROSS JOIN
        LATERAL (
            SELECT
                judging.configuration(
                    repositories.branch_restrictions, repositories.branching_model, coalesce(own.is_certain, true)
                ) AS configuration,
                CASE
                    WHEN repositories.pull_requests IN ('ok', 'scope_missing', 'permission_missing')
                        THEN repositories.pull_requests
                    ELSE 'failed'
                END AS merges_read
        ) AS reading
    CROSS JOIN
        LATERAL (
            SELECT
                CASE
                    WHEN reading.configuration = 'ok'
                        THEN
                            judging.by_reviewers(
                                coalesce(own.own, 'none'), own.by_reviewers_alone,
                                repositories.default_reviewers, peers.reviewers
                            )
                END AS own,
                -- own rules that can be read decide alone where open pull requests could not be listed; what was seen
                -- before rules fell short covers them no more once they can't be read
                CASE
                    WHEN reading.configuration <> 'ok' AND effect.is_remembered AND effect.seen_at < before.fell_short_at
                        THEN null
                    WHEN reading.configuration <> 'ok' OR reading.merges_read <> 'failed'
                        THEN
                            judging.by_reviewers(
                                effect.in_effect, effect.by_reviewers_alone,
                                repositories.default_reviewers, peers.reviewers
                            )
                END AS in_effect
        ) AS rules
    CROSS JOIN
        LATERAL (
            SELECT
                judging.rule_code(rules.own, rules.in_effect, repositories.default_reviewers) AS rule_code,
                rules.in_effect IS NOT null AND rules.own IS DISTINCT FROM 'enforced' AS by_checks
        ) AS decided
    -- rules that could be read leave room for those of the project alone
    LEFT JOIN judging.evidence(in_workspace, about_test, today, validity_days) AS evidence
        ON
            repositories.subject_id = evidence.repository_id
            AND (reading.configuration = 'ok') = evidence.about_project
            AND (
                reading.configuration = 'ok'
                OR judging.evidence_counts(evidence.captured_on, before.last_failed_at, time_zone)
            )
$merge_requirements$;
