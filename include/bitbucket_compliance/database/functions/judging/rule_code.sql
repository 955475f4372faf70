-- Purpose: the reason code that rules about merging give: the repository's own where they satisfy, else the checks
-- of a pull request (in_effect), else the own ones; null where neither could be read.

CREATE FUNCTION judging.rule_code(own text, in_effect text, reviewers_read text) RETURNS text
LANGUAGE sql IMMUTABLE
AS $rule_code$
    SELECT CASE
        WHEN own = 'enforced' THEN 'rule_enforced'
        WHEN in_effect = 'enforced' THEN 'rule_in_effect'
        WHEN 'reviewers_unread' IN (own, in_effect)
            THEN
                CASE
                    WHEN reviewers_read IS null THEN 'not_read_yet'
                    WHEN reviewers_read IN ('scope_missing', 'permission_missing') THEN reviewers_read
                    ELSE 'extract_failed'
                END
        WHEN coalesce(in_effect, own) = 'no_reviewers' THEN 'no_default_reviewers'
        WHEN coalesce(in_effect, own) = 'advisory' THEN 'advisory_only'
        WHEN coalesce(in_effect, own) IN ('too_low', 'none') THEN 'no_matching_rule'
    END
$rule_code$;
