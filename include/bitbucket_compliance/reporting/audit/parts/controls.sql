-- Purpose: each control of the frameworks over the period.

SELECT controls.*
FROM compliance.control_period(%(workspace)s, %(first_day)s, %(last_day)s) AS controls
WHERE %(framework)s::text IS null OR controls.framework = %(framework)s;
