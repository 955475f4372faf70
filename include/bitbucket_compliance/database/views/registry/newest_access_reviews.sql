-- Purpose: the decision that stands for each member who was ever reviewed.

CREATE VIEW registry.newest_access_reviews AS
SELECT DISTINCT ON (workspace, member_id) *
FROM registry.access_reviews
ORDER BY workspace ASC, member_id ASC, review_id DESC;

GRANT SELECT ON registry.newest_access_reviews TO compliance_console;
