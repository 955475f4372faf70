-- Purpose: peer_review_required: can anything be merged into the main branch without a peer's approval?

WITH asked AS (
    SELECT
        requirements.*,
        behaviour.*,
        pushes.push_detail,
        CASE WHEN %(direct_pushes)s = 'fail' THEN pushes.by_persons END AS pushed,
        -- who approved was not sent: as good as not read
        CASE
            WHEN behaviour.participants_missing THEN 'failed' ELSE requirements.merges_read
        END AS approvals_read
    FROM
        judging.merge_requirements(
            %(workspace)s, %(subjects)s, %(oldest_reading)s, 'peer_review_required',
            ARRAY[
                'require_approvals_to_merge',
                'require_default_reviewer_approvals_to_merge',
                'require_review_group_approvals_to_merge'
            ],
            %(min_approvals)s, %(today)s, %(evidence_validity_days)s
        ) AS requirements
    LEFT JOIN
        judging.reviewed_merges(
            %(workspace)s, %(subjects)s, %(window_start)s, %(min_approvals)s, %(not_peers)s::text[]
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
            WHEN own = 'enforced' AND pushed IS NOT null THEN 'pushed_past_pull_requests'
            WHEN own = 'enforced' THEN 'rule_enforced'
            WHEN own = 'advisory' THEN 'advisory_only'
            WHEN own = 'too_low' THEN 'no_matching_rule'
            WHEN own = 'none' AND evidence_id IS null THEN 'no_matching_rule'
            WHEN approvals_read = 'failed' THEN 'extract_failed'
            WHEN own = 'none' AND last_broken_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                THEN 'no_matching_rule'
            WHEN own = 'none' AND pushed IS NOT null THEN 'pushed_past_pull_requests'
            WHEN own = 'none' THEN 'evidence_accepted'
            -- it could not
            WHEN broken IS NOT null THEN 'merged_without_peer_approval'
            WHEN pushed IS NOT null THEN 'pushed_past_pull_requests'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN undecided IS NOT null THEN 'merges_undecided'
            WHEN merges_read <> 'ok' THEN merges_read
            WHEN merged >= %(behaviour_min_sample)s THEN 'merges_had_peer_approval'
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
                format('Rules require a peer''s approval to merge into %%s, ', main_branch)
                || 'and unmet checks block the merge.'
                || coalesce(' Bypassed: ' || judging.numbers(broken) || '.', '')
        WHEN 'advisory_only'
            THEN
                format('Approvals are asked for on %%s, ', main_branch)
                || 'but unmet checks only warn: nothing enforces them.'
        WHEN 'no_matching_rule'
            THEN
                format('No rule of this repository requires enough approvals to merge into %%s.', main_branch)
                || CASE
                    WHEN own = 'none' AND evidence_id IS NOT null
                        THEN
                            format(' The evidence of %%s about its project does not count: ', captured_on)
                            || format('merged since without a peer''s approval: %%s.', judging.numbers(broken))
                    ELSE ''
                END
        WHEN 'evidence_accepted'
            THEN
                format('Accepted evidence, captured on %%s, shows that a peer''s approval is required ', captured_on)
                || format('to merge into %%s.', main_branch)
        WHEN 'merged_without_peer_approval'
            THEN
                format('Merged into %%s without the approval of a peer: %%s.', main_branch, judging.numbers(broken))
        WHEN 'pushed_past_pull_requests'
            THEN
                format('Pushed to %%s by a person, past every pull request: %%s', main_branch, pushed[1])
                || CASE WHEN cardinality(pushed) > 1 THEN format(' and %%s more.', cardinality(pushed) - 1) ELSE '.' END
        WHEN 'merges_undecided'
            THEN
                format(
                    'Whether peers approved what was merged into %%s can''t be told of %%s: an account that approved '
                    || 'was deleted, or when it was merged is still to be looked up.',
                    main_branch, judging.numbers(undecided)
                )
        WHEN 'merges_had_peer_approval'
            THEN
                format('All %%s pull requests merged into %%s ', merged, main_branch)
                || format('in %%s days had a peer''s approval.', %(behaviour_window_days)s::integer)
        ELSE
            judging.merge_reason(
                reason_code, not_read_yet, coalesce(failed_call, 'who took part in the merged pull requests'),
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
    ) || CASE
        WHEN reason_code = 'pushed_past_pull_requests' THEN jsonb_build_object('pushes', to_jsonb(pushed)) ELSE '{}'
    END AS facts
FROM decided;
