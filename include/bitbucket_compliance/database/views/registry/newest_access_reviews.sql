-- Purpose: the decision that stands for each member who was ever reviewed.

CREATE VIEW registry.newest_access_reviews AS
SELECT DISTINCT ON (workspace, member_id) *
FROM registry.access_reviews
ORDER BY workspace ASC, member_id ASC, review_id DESC;

GRANT
SELECT (
    review_id, workspace, member_id, account_id, display_name, role, matched_by, review_group, needs_review,
    last_accessed, data_as_of, decision, reason, reviewed_by, reviewed_at
)
ON registry.newest_access_reviews TO compliance_console;
