-- How do you know that the populations are whole?
-- Purpose: for each population of a quarter, on how many days it is shown to be whole, and what lacks on the others.

SELECT
    completeness.population,
    count(*) AS days,
    count(*) FILTER (WHERE completeness.is_whole) AS whole,
    max(completeness.in_table) AS rows_in_table,
    sum(completeness.unexplained) AS differences_without_reason,
    (array_agg(DISTINCT completeness.not_whole_because[1]) FILTER (WHERE NOT completeness.is_whole))[1:3]
        AS not_whole_because
FROM compliance.completeness('demo-workspace', '2026-01-01', '2026-03-31') AS completeness
GROUP BY completeness.population
ORDER BY completeness.population ASC;
