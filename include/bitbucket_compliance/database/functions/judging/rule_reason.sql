-- Purpose: the sentence of a reason that rules about merging give, for each of the tests of merging; null for others.
-- wanted: what the test wants to be required; pull_request_id, seen_at: of the merge checks that decided, if they did.

CREATE FUNCTION judging.rule_reason(
    reason_code text, wanted text, main_branch text, configuration text, required integer,
    pull_request_id bigint, seen_at timestamptz, is_remembered boolean, bypassable boolean
) RETURNS text
LANGUAGE sql STABLE
AS $rule_reason$
    WITH parts AS (
        SELECT
            CASE
                WHEN is_remembered
                    THEN
                        format(
                            'Pull request #%s into %s, last seen open on %s,',
                            pull_request_id, main_branch, (seen_at AT TIME ZONE 'UTC')::date
                        )
                ELSE format('Open pull request #%s into %s', pull_request_id, main_branch)
            END AS pull_request,
            CASE configuration
                WHEN 'scope_missing' THEN '; the repository''s own rules can''t be read with the granted scopes.'
                WHEN 'permission_missing' THEN '; the repository''s own rules can''t be read without admin rights.'
                ELSE '; the repository''s own rules do not require that.'
            END AS own_rules,
            CASE
                WHEN bypassable
                    THEN
                        format(' Commits can be pushed to %s without a pull request: ', main_branch)
                        || 'no rule of the repository restricts pushes.'
                ELSE ''
            END AS past_pull_requests
    )

    SELECT
        CASE
            WHEN reason_code = 'rule_enforced'
                THEN
                    format('Rules require %s to merge into %s (at least %s), ', wanted, main_branch, required)
                    || 'and unmet checks block the merge.' || parts.past_pull_requests
            WHEN reason_code = 'rule_in_effect'
                THEN
                    format('%s needs %s %s, enforced', parts.pull_request, required, wanted)
                    || parts.own_rules || parts.past_pull_requests
            WHEN reason_code = 'advisory_only' AND pull_request_id IS null
                THEN
                    format('Rules ask for %s to merge into %s, ', wanted, main_branch)
                    || 'but unmet checks only warn: nothing enforces them.'
            WHEN reason_code = 'advisory_only'
                THEN
                    format('%s is asked for %s %s, ', parts.pull_request, required, wanted)
                    || 'but unmet checks only warn: nothing enforces them.'
            WHEN reason_code = 'no_matching_rule' AND pull_request_id IS null
                THEN
                    format('No rule of this repository requires enough %s to merge into %s', wanted, main_branch)
                    || CASE WHEN required > 0 THEN format(': only %s.', required) ELSE '.' END
            WHEN reason_code = 'no_matching_rule' AND required > 0
                THEN format('%s needs only %s %s.', parts.pull_request, required, wanted)
            WHEN reason_code = 'no_matching_rule' THEN format('%s needs no %s.', parts.pull_request, wanted)
            WHEN reason_code = 'no_default_reviewers'
                THEN
                    format('Only default reviewers can give the %s that a merge into %s needs, ', wanted, main_branch)
                    || 'and the repository has no default reviewer whose approval counts.'
            WHEN reason_code = 'rules_no_longer_readable'
                THEN
                    format('The rules for merging into %s can''t be read any more. ', main_branch)
                    || format('When they were last read, they did not require enough %s.', wanted)
        END
    FROM parts
$rule_reason$;
