-- Purpose: how many open findings of a workspace are overdue, due soon, new and accepted, and what they are filtered
-- by.

WITH choices AS (
    SELECT
        array_agg(DISTINCT repositories.project_key) FILTER (
            WHERE repositories.project_key IS NOT null
        ) AS projects,
        array_agg(DISTINCT repositories.owner) FILTER (WHERE repositories.owner IS NOT null) AS owners
    FROM compliance.repositories AS repositories
    WHERE repositories.workspace = %(workspace)s
),

controls AS (
    SELECT array_agg(DISTINCT controls.framework || ' ' || controls.control) AS controls
    FROM compliance.test_controls AS controls
),

assigned AS (
    SELECT array_agg(DISTINCT assignments.assigned_to::text) AS persons
    FROM registry.newest_finding_assignments AS assignments
    WHERE assignments.workspace = %(workspace)s AND assignments.assigned_to IS NOT null
),

counted AS (
    SELECT
        count(*) AS every,
        count(*) FILTER (WHERE findings.overdue) AS overdue,
        count(*) FILTER (
            WHERE findings.due_at BETWEEN now() AND now() + interval '7 days' AND NOT findings.accepted
        ) AS soon,
        count(*) FILTER (WHERE findings.found_at > now() - interval '7 days') AS new,
        count(*) FILTER (WHERE findings.accepted) AS accepted
    FROM compliance.findings AS findings
    WHERE findings.workspace = %(workspace)s AND findings.ended_at IS null
)

SELECT
    counted.every,
    counted.overdue,
    counted.soon,
    counted.new,
    counted.accepted,
    choices.projects,
    choices.owners,
    controls.controls,
    assigned.persons
FROM counted
CROSS JOIN choices
CROSS JOIN assigned
CROSS JOIN controls;
