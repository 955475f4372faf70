-- Purpose: keep the working rows of the newest runs of the workspace, of each kind, and of those that current results
-- come from; what is published stays for good.

WITH ranked AS (
    SELECT
        runs.run_id,
        row_number() OVER (PARTITION BY runs.kind ORDER BY runs.started_at DESC) AS age
    FROM integration.runs AS runs
    WHERE runs.workspace = %(workspace)s
),

in_use AS (
    SELECT DISTINCT results.run_id
    FROM compliance.results AS results
    WHERE results.workspace = %(workspace)s
),

old_runs AS (
    SELECT ranked.run_id
    FROM ranked
    WHERE
        ranked.age > %(runs_kept)s
        AND NOT EXISTS (SELECT 1 FROM in_use WHERE in_use.run_id = ranked.run_id)
),

subjects AS (
    DELETE FROM judged.subjects AS subjects
    USING old_runs
    WHERE subjects.workspace = %(workspace)s AND subjects.run_id = old_runs.run_id
),

verdicts AS (
    DELETE FROM judged.verdicts AS verdicts
    USING old_runs
    WHERE verdicts.workspace = %(workspace)s AND verdicts.run_id = old_runs.run_id
),

enabled_tests AS (
    DELETE FROM judged.enabled_tests AS enabled_tests
    USING old_runs
    WHERE enabled_tests.workspace = %(workspace)s AND enabled_tests.run_id = old_runs.run_id
),

work_items AS (
    DELETE FROM landing.work_items AS items
    USING old_runs
    WHERE items.workspace = %(workspace)s AND items.run_id = old_runs.run_id
),

checkpoints AS (
    DELETE FROM landing.checkpoints AS checkpoints
    WHERE checkpoints.workspace = %(workspace)s
)

DELETE FROM landing.calls AS calls
USING old_runs
WHERE calls.workspace = %(workspace)s AND calls.run_id = old_runs.run_id;
