-- Purpose: peer_review_required: can anything be merged into the main branch without a peer's approval?

WITH asked AS (
    SELECT
        requirements.*,
        behaviour.*
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
    LEFT JOIN judging.reviewed_merges(%(workspace)s, %(subjects)s, %(window_start)s) AS behaviour
        ON
            requirements.subject_id = behaviour.repository_id
            AND (requirements.merges_read = 'ok' OR requirements.merges_partly_read)
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
            -- a merge that broke the rule counts also where others may be missing from the list
            WHEN own = 'none' AND last_broken_at >= captured_on::timestamp AT TIME ZONE %(time_zone)s
                THEN 'no_matching_rule'
            WHEN own IS null AND broken IS NOT null THEN 'merged_without_peer_approval'
            WHEN merges_read = 'failed' THEN 'extract_failed'
            WHEN own = 'none' THEN 'evidence_accepted'
            -- it could not
            WHEN evidence_id IS NOT null THEN 'evidence_accepted'
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
                || coalesce(' Bypassed: #' || array_to_string(broken[1:5], ', #') || '.', '')
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
                            || 'merged since without a peer''s approval: #'
                            || array_to_string(broken[1:5], ', #') || '.'
                    ELSE ''
                END
        WHEN 'evidence_accepted'
            THEN
                format('Accepted evidence, captured on %%s, shows that a peer''s approval is required ', captured_on)
                || format('to merge into %%s.', main_branch)
        WHEN 'merged_without_peer_approval'
            THEN
                format('Merged into %%s without the approval of a peer: #', main_branch)
                || array_to_string(broken[1:5], ', #')
                || CASE WHEN cardinality(broken) > 5 THEN format(' and %%s more.', cardinality(broken) - 5) ELSE '.' END
        WHEN 'merges_had_peer_approval'
            THEN
                format('All %%s pull requests merged into %%s ', merged, main_branch)
                || format('in %%s days had a peer''s approval.', %(behaviour_window_days)s::integer)
        ELSE
            judging.merge_reason(
                reason_code, not_read_yet, failed_call, configuration, main_branch, merged,
                %(behaviour_window_days)s, %(behaviour_min_sample)s
            )
    END AS reason,
    judging.merge_detail(main_branch, direct_push, configuration, rules, merges_read, merged, numbers, broken)
    || judging.declared(reason_code, entry, evidence_id, captured_on) AS detail,
    judging.merge_facts(reason_code, rules, broken, evidence_id, configuration) AS facts
FROM decided;
