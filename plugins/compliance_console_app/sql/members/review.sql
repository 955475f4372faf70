-- Purpose: the access review as an auditor gets it: every member, whoever was reviewed and is a member no more, and the
-- decision that stands for each with what its reviewer saw.

WITH members AS (
    SELECT * FROM compliance.members
    WHERE workspace = %(workspace)s
),

reviews AS (
    SELECT * FROM registry.newest_access_reviews
    WHERE workspace = %(workspace)s
)

SELECT
    %(workspace)s::text AS workspace,
    coalesce(members.member_id, reviews.member_id) AS member_id,
    coalesce(members.account_id, reviews.account_id) AS account_id,
    coalesce(members.display_name, reviews.display_name) AS display_name,
    members.nickname,
    members.member_type,
    members.member_id IS NOT null AS is_member,
    members.role,
    members.matched_by,
    members.needs_review,
    members.repositories_reachable,
    members.added_on,
    members.last_accessed,
    members.data_as_of,
    reviews.decision,
    reviews.reason,
    reviews.reviewed_by,
    reviews.reviewed_at,
    reviews.role AS role_when_reviewed,
    reviews.matched_by AS matched_by_when_reviewed,
    reviews.last_accessed AS last_accessed_when_reviewed,
    reviews.data_as_of AS data_as_of_when_reviewed
FROM members
FULL OUTER JOIN reviews ON members.member_id = reviews.member_id
ORDER BY display_name ASC, member_id ASC;
