-- Purpose: the roles that members of a workspace have, and how far its review has got.

SELECT
    count(*) AS members,
    count(*) FILTER (WHERE members.needs_review) AS need_review,
    count(reviews.review_id) AS decided,
    count(*) FILTER (WHERE reviews.decision = 'revoke') AS still_there,
    array_agg(DISTINCT members.role ORDER BY members.role) FILTER (WHERE members.role IS NOT null) AS roles
FROM compliance.members AS members
LEFT JOIN registry.newest_access_reviews AS reviews
    ON
        members.workspace = reviews.workspace
        AND members.member_id = reviews.member_id
        AND reviews.workspace = %(workspace)s
WHERE members.workspace = %(workspace)s;
