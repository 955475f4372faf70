-- Purpose: note a decision on members as they stand, with what their reviewer saw.

INSERT INTO registry.access_reviews (
    workspace,
    member_id,
    account_id,
    display_name,
    role,
    matched_by,
    review_group,
    needs_review,
    last_accessed,
    data_as_of,
    decision,
    reason,
    reviewed_by
)
SELECT
    members.workspace,
    members.member_id,
    members.account_id,
    members.display_name,
    members.role,
    members.matched_by,
    members.review_group,
    members.needs_review,
    members.last_accessed,
    members.data_as_of,
    %(decision)s,
    %(reason)s,
    %(reviewed_by)s
FROM compliance.access_review AS members
WHERE members.workspace = %(workspace)s AND members.member_id = any(%(member_ids)s::text[])
RETURNING member_id, display_name, review_group;
