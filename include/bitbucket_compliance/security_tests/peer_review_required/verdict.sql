-- Purpose: peer_review_required: can anything be merged into the main branch without a peer's approval?

WITH asked AS MATERIALIZED (
    SELECT
        requirements.*,
        behaviour.*,
        -- who approved was not sent: as good as not read
        CASE
            WHEN behaviour.participants_missing THEN 'failed' ELSE requirements.merges_read
        END AS approvals_read,
        CASE
            WHEN behaviour.last_broken_at >= requirements.in_force_since
                THEN
                    judging.bypassing_merges(
                        %(workspace)s, requirements.subject_id, requirements.in_force_since, %(window_start)s,
                        %(min_approvals)s, %(not_peers)s::text[]
                    )
        END AS bypassing,
        pushes.push_detail,
        CASE WHEN %(direct_pushes)s = 'fail' THEN pushes.by_persons END AS pushed
    FROM
        judging.merge_requirements(
            %(workspace)s, %(subjects)s, %(oldest_reading)s, 'peer_review_required',
            %(rule_kinds)s, %(check_kinds)s, %(reviewers_kinds)s, %(min_approvals)s,
            %(oldest_merge_checks)s, %(today)s, %(evidence_validity_days)s, %(time_zone)s, %(not_peers)s::text[]
        ) AS requirements
    LEFT JOIN
        judging.reviewed_merges(
            %(workspace)s, %(subjects)s, %(window_start)s, %(min_approvals)s, %(not_peers)s::text[]
        ) AS behaviour
        ON requirements.subject_id = behaviour.repository_id AND requirements.merges_read = 'ok'
    LEFT JOIN judging.pushes(%(workspace)s, %(subjects)s, %(window_start)s) AS pushes
        ON requirements.subject_id = pushes.repository_id
),

-- bypassed: null where it is not known since when a rule is in force, or what was merged and who approved it
counted AS (
    SELECT
        asked.*,
        CASE
            WHEN asked.bypassing IS NOT null THEN cardinality(asked.bypassing)
            WHEN asked.in_force_since IS NOT null AND asked.approvals_read = 'ok' THEN 0
        END AS bypassed
    FROM asked
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
            WHEN own IS null AND approvals_read = 'failed' THEN 'extract_failed'
            WHEN rule_code IN ('rule_enforced', 'rule_in_effect') AND bypassed > 0 THEN 'enforced_but_bypassed'
            WHEN rule_code IN ('rule_enforced', 'rule_in_effect') AND pushed IS NOT null
                THEN 'pushed_past_pull_requests'
            -- rules: own ones that satisfy, else those that a pull request shows
            WHEN own = 'enforced' OR in_effect IS NOT null THEN rule_code
            -- own ones that fall short, with no pull request to show others: what people showed of the project may
            WHEN rule_code IS NOT null AND (own NOT IN ('none', 'advisory') OR evidence_id IS null) THEN rule_code
            WHEN rule_code IS NOT null AND approvals_read = 'failed' THEN 'extract_failed'
            WHEN rule_code IS NOT null AND last_broken_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                THEN rule_code
            WHEN rule_code IS NOT null AND pushed IS NOT null THEN 'pushed_past_pull_requests'
            WHEN rule_code IS NOT null THEN 'evidence_accepted'
            -- neither could be read
            WHEN broken IS NOT null THEN 'merged_without_peer_approval'
            WHEN pushed IS NOT null THEN 'pushed_past_pull_requests'
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
            WHEN failed_before THEN 'rules_no_longer_readable'
            WHEN undecided IS NOT null THEN 'merges_undecided'
            WHEN merges_read <> 'ok' THEN merges_read
            WHEN merged >= %(behaviour_min_sample)s THEN 'merges_had_peer_approval'
            ELSE 'too_few_merges'
        END AS reason_code
    FROM counted
)

SELECT
    subject_id,
    reason_code,
    CASE reason_code
        WHEN 'enforced_but_bypassed'
            THEN
                format('A rule has been in force since %%s, ', (in_force_since AT TIME ZONE %(time_zone)s)::date)
                || format(
                    'and merges into %%s went around it, without enough approvals of peers: %%s.',
                    main_branch, judging.numbers(bypassing)
                )
        WHEN 'evidence_accepted'
            THEN
                format('Accepted evidence, captured on %%s, shows that a peer''s approval is required ', captured_on)
                || format('to merge into %%s.', main_branch)
        WHEN 'merged_without_peer_approval'
            THEN
                format('Merged into %%s without the approval of a peer: %%s.', main_branch, judging.numbers(broken))
        WHEN 'pushed_past_pull_requests'
            THEN
                format('A person pushed to %%s without a pull request: %%s', main_branch, pushed[1])
                || CASE WHEN cardinality(pushed) > 1 THEN format(' and %%s more.', cardinality(pushed) - 1) ELSE '.' END
        WHEN 'merges_undecided'
            THEN
                format(
                    'It is not known whether peers approved these merges into %%s: %%s. An account that approved was '
                    || 'deleted, or the time of the merge is still to be looked up.',
                    main_branch, judging.numbers(undecided)
                )
        WHEN 'merges_had_peer_approval'
            THEN
                format('All %%s pull requests merged into %%s ', merged, main_branch)
                || format('in %%s days had a peer''s approval.', %(behaviour_window_days)s::integer)
        ELSE
            coalesce(
                judging.rule_reason(
                    reason_code, 'approvals', main_branch, configuration, required,
                    pull_request_id, seen_at, is_remembered, bypassable
                )
                || CASE
                    WHEN own IN ('none', 'advisory') AND in_effect IS null AND evidence_id IS NOT null
                        THEN
                            format(' The evidence of %%s about its project does not count: ', captured_on)
                            || format('merged since then without a peer''s approval: %%s.', judging.numbers(broken))
                    WHEN reason_code IN ('rule_enforced', 'rule_in_effect') AND broken IS NOT null
                        THEN
                            format(
                                ' Merged without a peer''s approval before the rule was seen in force: %%s.',
                                judging.numbers(broken)
                            )
                    ELSE ''
                END,
                judging.merge_reason(
                    reason_code,
                    coalesce(not_read_yet, 'The default reviewers were not read yet.'),
                    coalesce(failed_call, 'who took part in the merged pull requests'),
                    configuration, main_branch, merged,
                    %(behaviour_window_days)s, %(behaviour_min_sample)s
                )
            )
    END AS reason,
    judging.merge_detail(main_branch, direct_push, configuration, rules, merges_read, merged, numbers, broken)
    || judging.rule_detail(
        reason_code, required, enforced, pull_request_id, seen_at, is_remembered, bypassable, bypassed, in_force_since
    )
    || jsonb_strip_nulls(jsonb_build_object('merges_undecided', undecided))
    || push_detail
    || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    judging.merge_facts(
        reason_code,
        rules,
        CASE reason_code
            WHEN 'enforced_but_bypassed' THEN bypassing
            WHEN 'merges_undecided' THEN undecided
            ELSE broken
        END,
        evidence_id,
        configuration
    ) || CASE
        WHEN reason_code = 'pushed_past_pull_requests' THEN jsonb_build_object('pushes', to_jsonb(pushed)) ELSE '{}'
    END AS facts
FROM decided;
