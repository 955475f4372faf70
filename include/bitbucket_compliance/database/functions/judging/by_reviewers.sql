-- Purpose: what rules are worth that ask for approvals: enforced ones that default reviewers alone can satisfy are
-- no_reviewers where there are none, reviewers_unread where that is not known; any others stay what they are.

CREATE FUNCTION judging.by_reviewers(rules text, by_reviewers_alone boolean, reviewers_read text, reviewers integer)
RETURNS text
LANGUAGE sql IMMUTABLE
AS $by_reviewers$
    SELECT CASE
        WHEN rules <> 'enforced' OR by_reviewers_alone IS NOT true THEN rules
        WHEN reviewers_read IS DISTINCT FROM 'ok' THEN 'reviewers_unread'
        WHEN coalesce(reviewers, 0) = 0 THEN 'no_reviewers'
        ELSE rules
    END
$by_reviewers$;
