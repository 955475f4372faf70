-- Purpose: the decisions that stand for some members, with their names.

SELECT
    members.member_id,
    coalesce(members.display_name, members.member_id) AS display_name,
    members.role,
    members.matched_by,
    members.review_group,
    reviews.decision,
    reviews.reason,
    reviews.reviewed_by
FROM compliance.access_review AS members
LEFT JOIN registry.newest_access_reviews AS reviews
    ON members.workspace = reviews.workspace AND members.member_id = reviews.member_id
WHERE members.workspace = %(workspace)s AND members.member_id = any(%(member_ids)s::text[]);
