-- Purpose: the access review as an auditor gets it: every member, whoever was reviewed and is a member no more, and the
-- decision that stands for each with what its reviewer saw.

WITH members AS (
    SELECT
        member_id,
        account_id,
        display_name,
        nickname,
        member_type,
        role,
        matched_by,
        review_group,
        offboarding_status,
        two_step_verification,
        needs_review,
        review_state,
        changed_since,
        repositories_reachable,
        added_on,
        last_accessed,
        data_as_of
    FROM compliance.access_review
    WHERE workspace = %(workspace)s
),

reviews AS (
    SELECT
        member_id,
        account_id,
        display_name,
        decision,
        reason,
        reviewed_by,
        reviewed_at,
        role,
        matched_by,
        last_accessed,
        data_as_of
    FROM registry.newest_access_reviews
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
    members.review_group,
    members.offboarding_status,
    members.two_step_verification,
    members.needs_review OR members.review_group = 'left' AS needs_review,
    members.review_state,
    array_to_string(members.changed_since, ', ') AS changed_since,
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
ORDER BY
    array_position(ARRAY['left', 'not_on_roster', 'name_only', 'app', 'fine'], members.review_group) ASC NULLS LAST,
    display_name ASC,
    member_id ASC;
