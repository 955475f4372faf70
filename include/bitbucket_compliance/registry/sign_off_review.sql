-- Purpose: note that the access review of a workspace is done, with its figures; no row where a decision is due.

INSERT INTO registry.access_review_sign_offs (workspace, members, kept, revoked, note, signed_off_by)
SELECT
    review.workspace,
    count(*),
    count(*) FILTER (WHERE review.review_state = 'keep'),
    count(*) FILTER (WHERE review.review_state = 'revoke'),
    %(note)s,
    %(signed_off_by)s
FROM compliance.access_review AS review
WHERE review.workspace = %(workspace)s
GROUP BY review.workspace
HAVING bool_and(review.review_state IN ('keep', 'revoke'))
RETURNING members, kept, revoked;
