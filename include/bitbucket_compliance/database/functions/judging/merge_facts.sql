-- Purpose: the facts that decided a verdict on merging (rules, merges, evidence or the missing right), and nothing
-- else: another hash of them is another finding.

CREATE FUNCTION judging.merge_facts(
    reason_code text, rules jsonb, merges bigint[], evidence_id uuid, configuration text
) RETURNS jsonb
LANGUAGE sql STABLE
AS $merge_facts$
    SELECT CASE
        WHEN
            reason_code IN (
                'rule_enforced', 'rule_in_effect', 'advisory_only', 'no_matching_rule', 'no_default_reviewers'
            )
            THEN jsonb_build_object('rules', rules)
        WHEN
            reason_code IN (
                'merged_without_passing_build', 'merged_without_peer_approval', 'enforced_but_bypassed',
                'merges_undecided'
            )
            THEN jsonb_build_object('pull_requests', to_jsonb(merges))
        WHEN reason_code = 'evidence_accepted' THEN jsonb_build_object('evidence_id', evidence_id)
        WHEN reason_code IN ('scope_missing', 'permission_missing')
            THEN jsonb_build_object('unreadable', configuration)
        ELSE '{}'
    END
$merge_facts$;
