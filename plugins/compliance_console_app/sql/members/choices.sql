-- Purpose: the roles that members of a workspace have, its groups, and how far its review has got.

SELECT
    count(*) AS members,
    count(*) FILTER (WHERE review.review_group = 'left') AS gone,
    count(*) FILTER (WHERE review.review_group = 'not_on_roster') AS not_on_roster,
    count(*) FILTER (WHERE review.review_group = 'name_only') AS name_only,
    count(*) FILTER (WHERE review.review_state IN ('keep', 'revoke')) AS decided,
    count(*) FILTER (WHERE review.review_state = 'changed') AS due_again,
    count(*) FILTER (WHERE review.is_still_there) AS still_there,
    array_agg(DISTINCT review.role ORDER BY review.role) FILTER (WHERE review.role IS NOT null) AS roles
FROM compliance.access_review AS review
WHERE review.workspace = %(workspace)s;
