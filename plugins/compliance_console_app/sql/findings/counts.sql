-- Purpose: how many open findings of a workspace are overdue, due soon, new and accepted, and what they are filtered by.

SELECT
    count(*) AS every,
    count(*) FILTER (WHERE findings.is_overdue) AS overdue,
    count(*) FILTER (
        WHERE findings.due_at BETWEEN now() AND now() + interval '7 days' AND findings.exception_id IS null
    ) AS soon,
    count(*) FILTER (WHERE findings.failing_since > now() - interval '7 days') AS new,
    count(*) FILTER (WHERE findings.exception_id IS NOT null) AS accepted,
    array_agg(DISTINCT findings.project_key) FILTER (WHERE findings.project_key IS NOT null) AS projects,
    array_agg(DISTINCT repositories.owner) FILTER (WHERE repositories.owner IS NOT null) AS owners,
    (
        SELECT array_agg(DISTINCT controls.framework || ' ' || controls.control)
        FROM compliance.test_controls AS controls
    ) AS controls
FROM compliance.open_findings AS findings
LEFT JOIN compliance.repositories AS repositories
    ON findings.workspace = repositories.workspace AND findings.subject_id = repositories.repository_id
WHERE findings.workspace = %(workspace)s;
