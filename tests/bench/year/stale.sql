-- Purpose: one result in ten was past its freshness for two days in every thirty, as where too few requests are left to
-- read everything in time.

INSERT INTO compliance.stale_records (workspace, test_id, subject_id, stale_from, stale_to)
SELECT
    %(workspace)s,
    late.test_id,
    late.subject_id,
    late.at,
    late.at + interval '2 days'
FROM (
    SELECT
        subjects.test_id,
        subjects.subject_id,
        now() - make_interval(days => months.number * 30 + 2 + (subjects.number %% 25)::integer) AS at
    FROM bench.subjects AS subjects
    CROSS JOIN generate_series(0, %(runs)s / 30 - 2) AS months (number)
    WHERE bench.dice('stale ' || subjects.test_id || subjects.subject_id) < 1000
) AS late;
