-- Purpose: how many subjects of each test were read on the day of the publication (UTC), as its results say.

SELECT
    results.workspace,
    results.test_id,
    (%(published_at)s AT TIME ZONE 'UTC')::date AS day,
    count(*) AS subjects,
    count(*) FILTER (
        WHERE (results.data_as_of AT TIME ZONE 'UTC')::date = (%(published_at)s AT TIME ZONE 'UTC')::date
    ) AS observed,
    count(*) FILTER (WHERE results.status = 'error') AS not_read,
    clock_timestamp() AS recorded_at,
    %(workspace_id)s AS workspace_id
FROM compliance.results AS results
WHERE results.workspace = %(workspace)s
GROUP BY results.workspace, results.test_id;
