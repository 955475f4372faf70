-- Purpose: the tests that give evidence for a control, with what is known of each over a period of days.

SELECT
    controls.test_id,
    tests.test_title,
    controls.strength,
    controls.source,
    controls.note,
    controls.title AS control_title,
    period.state,
    period.days,
    period.days_observed,
    period.days_with_failures,
    period.days_with_undecided,
    period.findings_opened,
    period.fixed_in_time,
    period.fixed_late,
    period.ended_otherwise,
    period.open_at_end,
    period.overdue_at_end,
    period.accepted_at_end,
    period.changes,
    period.changes_against,
    period.changes_unknown
FROM compliance.test_controls AS controls
INNER JOIN compliance.tests AS tests ON controls.test_id = tests.test_id
LEFT JOIN compliance.test_period(%(workspace)s, %(first_day)s::date, %(last_day)s::date) AS period
    ON controls.test_id = period.test_id
WHERE controls.framework = %(framework)s AND controls.control = %(control)s
ORDER BY tests.display_order ASC;
