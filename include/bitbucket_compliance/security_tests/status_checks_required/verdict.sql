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
            ARRAY['require_passing_builds_to_merge'],
            %(min_passing_builds)s, %(today)s, %(evidence_validity_days)s
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
            WHEN configuration = 'failed' THEN 'extract_failed'
            -- what rules the repository has of its own could be read
            WHEN own = 'enforced' THEN 'rule_enforced'
            WHEN own = 'advisory' THEN 'advisory_only'
            WHEN own = 'too_low' THEN 'no_matching_rule'
            WHEN own = 'none' AND evidence_id IS null THEN 'no_matching_rule'
            WHEN merges_read = 'failed' THEN 'extract_failed'
            WHEN builds_missing AND builds_read IN ('failed', 'not_found') THEN 'extract_failed'
            WHEN own = 'none' AND last_broken_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                THEN 'no_matching_rule'
            -- the builds of merges since the capture are asked for when the repository is read again
            WHEN
                own = 'none' AND last_unknown_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                AND builds_read = 'ok'
                THEN 'not_read_yet'
            WHEN own = 'none' THEN 'evidence_accepted'
            -- it could not
            WHEN broken IS NOT null THEN 'merged_without_passing_build'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
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
        WHEN 'rule_enforced'
            THEN
                format('Rules require passing builds to merge into %%s, ', main_branch)
                || 'and unmet checks block the merge.'
        WHEN 'advisory_only'
            THEN
                format('Passing builds are asked for on %%s, ', main_branch)
                || 'but unmet checks only warn: nothing enforces them.'
        WHEN 'no_matching_rule'
            THEN
                format('No rule of this repository requires enough passing builds to merge into %%s.', main_branch)
                || CASE
                    WHEN own = 'none' AND evidence_id IS NOT null
                        THEN
                            format(' The evidence of %%s about its project does not count: ', captured_on)
                            || 'merged since without a passing build: #' || array_to_string(broken, ', #') || '.'
                    ELSE ''
                END
        WHEN 'evidence_accepted'
            THEN
                format('Accepted evidence, captured on %%s, shows that passing builds are required ', captured_on)
                || format('to merge into %%s.', main_branch)
        WHEN 'merged_without_passing_build'
            THEN
                format('Merged into %%s without a passing build: #', main_branch)
                || array_to_string(broken, ', #') || '.'
        WHEN 'merges_undecided'
            THEN
                format(
                    'When these were merged into %%s, or how they were built, is still to be looked up: %%s.',
                    main_branch, judging.numbers(undecided)
                )
        WHEN 'merges_had_passing_builds'
            THEN
                format('The newest %%s pull requests merged into %%s ', merged, main_branch)
                || format('in %%s days had passing builds.', %(behaviour_window_days)s::integer)
        ELSE
            judging.merge_reason(
                reason_code,
                coalesce(not_read_yet, 'The builds of merges since the evidence about the project were not read yet.'),
                coalesce(failed_call, 'the build statuses of a merged pull request'),
                configuration, main_branch, merged, %(behaviour_window_days)s, %(behaviour_min_sample)s
            )
    END AS reason,
    judging.merge_detail(main_branch, direct_push, configuration, rules, merges_read, merged, numbers, broken)
    || jsonb_strip_nulls(jsonb_build_object('merges_undecided', undecided))
    || push_detail
    || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    judging.merge_facts(
        reason_code, rules, CASE reason_code WHEN 'merges_undecided' THEN undecided ELSE broken END,
        evidence_id, configuration
    ) AS facts
FROM decided;
