-- Purpose: status_checks_required: can anything be merged into the main branch without passing builds?

WITH asked AS (
    SELECT
        requirements.*,
        behaviour.*,
        pushes.push_detail,
        behaviour.last_unknown_at IS NOT null AS builds_missing
    FROM
        judging.merge_requirements(
            %(workspace)s, %(subjects)s, %(oldest_reading)s, 'status_checks_required',
            %(rule_kinds)s, %(check_kinds)s, %(reviewers_kinds)s, %(min_passing_builds)s,
            %(oldest_merge_checks)s, %(today)s, %(evidence_validity_days)s, %(time_zone)s, '{}'::text[]
        ) AS requirements
    LEFT JOIN
        judging.built_merges(
            %(workspace)s, %(subjects)s, %(window_start)s, %(behaviour_sample)s, %(min_passing_builds)s, %(as_of)s
        ) AS behaviour
        ON requirements.subject_id = behaviour.repository_id AND requirements.merges_read = 'ok'
    LEFT JOIN judging.pushes(%(workspace)s, %(subjects)s, %(window_start)s) AS pushes
        ON requirements.subject_id = pushes.repository_id
),

-- The order of the rules: design, section 5.
decided AS MATERIALIZED (
    SELECT
        *,
        CASE
            WHEN classification = 'non_production' THEN 'non_production'
            WHEN main_branch IS null THEN 'no_main_branch'
            WHEN not_read_yet IS NOT null THEN 'not_read_yet'
            WHEN is_empty THEN 'empty_repository'
            WHEN is_empty IS null OR configuration = 'failed' THEN 'extract_failed'
            -- where own rules can't be read, behaviour and open pull requests are needed, and stand in one list
            WHEN own IS null AND merges_read = 'failed' THEN 'extract_failed'
            -- rules: own ones that satisfy, else those that a pull request shows
            WHEN own = 'enforced' OR in_effect IS NOT null THEN rule_code
            -- own ones that fall short, with no pull request to show others: what people showed of the project may
            WHEN rule_code IS NOT null AND (own NOT IN ('none', 'advisory') OR evidence_id IS null) THEN rule_code
            WHEN rule_code IS NOT null AND merges_read = 'failed' THEN 'extract_failed'
            WHEN rule_code IS NOT null AND builds_missing AND builds_read IN ('failed', 'not_found')
                THEN 'extract_failed'
            WHEN rule_code IS NOT null AND last_broken_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                THEN rule_code
            -- the builds of merges since the capture are asked for when the repository is read again
            WHEN
                rule_code IS NOT null AND last_unknown_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                AND builds_read = 'ok'
                THEN 'not_read_yet'
            WHEN rule_code IS NOT null THEN 'evidence_accepted'
            -- neither could be read
            WHEN broken IS NOT null THEN 'merged_without_passing_build'
            WHEN builds_missing AND builds_read IN ('failed', 'not_found') THEN 'extract_failed'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN failed_before THEN 'rules_no_longer_readable'
            WHEN merges_read <> 'ok' THEN merges_read
            WHEN builds_missing AND builds_read IN ('scope_missing', 'permission_missing') THEN builds_read
            WHEN builds_missing THEN 'extract_failed'
            WHEN undecided IS NOT null THEN 'merges_undecided'
            WHEN merged >= %(behaviour_min_sample)s THEN 'merges_had_passing_builds'
            ELSE 'too_few_merges'
        END AS reason_code
    FROM asked
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'evidence_accepted'
            THEN
                format('Accepted evidence, captured on %%s, shows that passing builds are required ', captured_on)
                || format('to merge into %%s.', main_branch)
        WHEN 'merged_without_passing_build'
            THEN
                format('Merged into %%s without a passing build: %%s.', main_branch, judging.numbers(broken))
        WHEN 'merges_undecided'
            THEN
                format(
                    'It is still to be looked up when these were merged into %%s, or how their builds ended: %%s.',
                    main_branch, judging.numbers(undecided)
                )
        WHEN 'merges_had_passing_builds'
            THEN
                format('The newest %%s pull requests merged into %%s ', merged, main_branch)
                || format('in %%s days had passing builds.', %(behaviour_window_days)s::integer)
        ELSE
            coalesce(
                judging.rule_reason(
                    reason_code, 'passing builds', main_branch, configuration, required,
                    pull_request_id, seen_at, is_remembered, bypassable
                )
                || CASE
                    WHEN own IN ('none', 'advisory') AND in_effect IS null AND evidence_id IS NOT null
                        THEN
                            format(' The evidence of %%s about its project does not count: ', captured_on)
                            || format('merged since then without a passing build: %%s.', judging.numbers(broken))
                    ELSE ''
                END,
                judging.merge_reason(
                    reason_code,
                    coalesce(
                        not_read_yet, 'The builds of merges since the evidence about the project were not read yet.'
                    ),
                    coalesce(failed_call, 'the build statuses of a merged pull request'),
                    configuration, main_branch, merged, %(behaviour_window_days)s, %(behaviour_min_sample)s
                )
            )
    END AS reason,
    judging.merge_detail(main_branch, direct_push, configuration, rules, merges_read, merged, numbers, broken)
    || judging.rule_detail(
        reason_code, required, enforced, pull_request_id, seen_at, is_remembered, bypassable, null, in_force_since
    )
    || jsonb_strip_nulls(jsonb_build_object('merges_undecided', undecided))
    || push_detail
    || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    judging.merge_facts(
        reason_code, rules, CASE reason_code WHEN 'merges_undecided' THEN undecided ELSE broken END,
        evidence_id, configuration
    ) AS facts
FROM decided;
