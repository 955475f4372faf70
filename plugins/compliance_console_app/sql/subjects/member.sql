-- Purpose: one member with role, how the roster names the account, and the decision of the access review. What the
-- roster says of employment is not the console's to read.

SELECT
    review.member_id,
    review.account_id,
    coalesce(review.display_name, review.member_id) AS display_name,
    review.nickname,
    review.member_type,
    review.role,
    review.matched_by,
    review.review_group,
    review.repositories_reachable,
    review.added_on,
    review.last_accessed,
    review.decision,
    review.decision_reason,
    review.reviewed_by,
    review.reviewed_at,
    review.review_state,
    review.changed_since,
    review.data_as_of
FROM compliance.access_review AS review
WHERE review.workspace = %(workspace)s AND review.member_id = %(key)s;
