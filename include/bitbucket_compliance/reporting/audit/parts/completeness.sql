-- Purpose: how whole each population was on each day of the period.

SELECT completeness.*
FROM compliance.completeness(%(workspace)s, %(first_day)s, %(last_day)s) AS completeness
ORDER BY completeness.day, completeness.population;
