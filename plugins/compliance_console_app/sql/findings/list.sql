-- Purpose: open findings of a workspace across tests: overdue, due soon, new, accepted, or all; filtered, or those that
-- are ticked; sorted, a page.

WITH found AS (
    SELECT
        findings.finding_id,
        findings.test_id,
        findings.test_title,
        findings.subject_type,
        findings.subject_id,
        coalesce(findings.subject_name, findings.subject_id) AS subject_name,
        findings.project_key,
        repositories.owner,
        findings.severity,
        findings.status,
        findings.reason,
        findings.failing_since,
        findings.due_at,
        findings.is_overdue,
        findings.exception_id,
        coalesce(findings.is_stale, false) AS is_stale,
        findings.assigned_to
    FROM compliance.open_findings AS findings
    LEFT JOIN compliance.repositories AS repositories
        ON findings.workspace = repositories.workspace AND findings.subject_id = repositories.repository_id
    WHERE
        findings.workspace = %(workspace)s
        AND (%(ticked)s::text[] IS null OR findings.finding_id::text = any(%(ticked)s::text[]))
        AND CASE %(section)s::text
            WHEN 'overdue' THEN findings.is_overdue
            WHEN 'soon'
                THEN
                    findings.due_at BETWEEN now() AND now() + interval '7 days'
                    AND findings.exception_id IS null
            WHEN 'new' THEN findings.failing_since > now() - interval '7 days'
            WHEN 'accepted' THEN findings.exception_id IS NOT null
            ELSE true
        END
        AND (%(test_id)s::text = '' OR findings.test_id = %(test_id)s)
        AND (%(project)s::text = '' OR findings.project_key = %(project)s)
        AND (%(owner)s::text = '' OR repositories.owner = %(owner)s)
        AND CASE %(assigned)s::text
            WHEN '' THEN true
            WHEN 'nobody' THEN findings.assigned_to IS null
            ELSE findings.assigned_to = %(assigned)s
        END
        AND (%(severity)s::text = '' OR findings.severity = %(severity)s)
        AND (
            %(control)s::text = ''
            OR findings.test_id IN (
                SELECT controls.test_id
                FROM compliance.test_controls AS controls
                WHERE controls.framework || ' ' || controls.control = %(control)s
            )
        )
        AND (
            %(words)s::text = ''
            OR strpos(lower(findings.subject_name), lower(%(words)s)) > 0
            OR strpos(lower(findings.reason), lower(%(words)s)) > 0
        )
)

SELECT
    found.*,
    count(*) OVER () AS total
FROM found
ORDER BY
    CASE
        WHEN %(sort)s::text = 'severity'
            THEN array_position(ARRAY['critical', 'high', 'medium', 'low'], found.severity)
    END ASC,
    CASE WHEN %(sort)s::text = 'found' THEN found.failing_since END DESC,
    CASE WHEN %(sort)s::text = 'name' THEN lower(found.subject_name) END ASC,
    found.due_at ASC NULLS LAST,
    found.subject_name ASC,
    found.finding_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
