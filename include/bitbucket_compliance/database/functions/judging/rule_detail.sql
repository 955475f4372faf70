-- Purpose: the part of the detail of a verdict on merging that tells of rules: what they require, by which way that was
-- seen, and whether the main branch can be pushed to past them. in_force: whether a rule is enforced, whatever it
-- requires; null: not known. data_as_of: of merge checks that can be seen no more and decided all the same.

CREATE FUNCTION judging.rule_detail(
    reason_code text, required integer, enforced boolean, pull_request_id bigint, seen_at timestamptz,
    is_remembered boolean, bypassable boolean, bypassed bigint, in_force_since timestamptz
) RETURNS jsonb
LANGUAGE sql STABLE
AS $rule_detail$
    SELECT
        jsonb_build_object(
            'required', required,
            'enforced', enforced,
            'in_force', required > 0 AND enforced,
            'in_force_since', in_force_since,
            'pull_request', pull_request_id,
            'seen_at', seen_at,
            'bypassable', bypassable,
            'bypassed', bypassed
        )
        || CASE
            WHEN
                is_remembered
                AND reason_code IN (
                    'rule_in_effect', 'advisory_only', 'no_matching_rule', 'no_default_reviewers', 'enforced_but_bypassed'
                )
                THEN jsonb_build_object('data_as_of', seen_at)
            ELSE '{}'
        END
$rule_detail$;
