-- Purpose: what is known of each control of a framework over a period of days.

SELECT period.*
FROM compliance.control_period(%(workspace)s, %(first_day)s::date, %(last_day)s::date) AS period
WHERE period.framework = %(framework)s
ORDER BY regexp_replace(period.control, '(\d+)', '0000\1', 'g') ASC, period.control ASC;
