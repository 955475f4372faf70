-- Purpose: where each control of a framework stands now, in the order of its numbers.

SELECT
    status.framework,
    status.control,
    status.control_title,
    status.strength,
    status.state,
    status.tests,
    status.effective,
    status.failing,
    status.undecided,
    status.stale,
    status.bypassed,
    status.overdue,
    status.accepted
FROM compliance.control_status AS status
WHERE status.workspace = %(workspace)s AND status.framework = %(framework)s
ORDER BY regexp_replace(status.control, '(\d+)', '0000\1', 'g') ASC, status.control ASC;
