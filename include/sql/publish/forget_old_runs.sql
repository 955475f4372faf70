-- Purpose: keep the working rows of the newest runs of the workspace only; what is published stays for good.

WITH old_runs AS (
    SELECT runs.run_id
    FROM integration.runs AS runs
    WHERE runs.workspace = %(workspace)s
    ORDER BY runs.started_at DESC
    OFFSET %(runs_kept)s
),

verdicts AS (
    DELETE FROM judged.verdicts AS verdicts
    USING old_runs
    WHERE verdicts.workspace = %(workspace)s AND verdicts.run_id = old_runs.run_id
),

work_items AS (
    DELETE FROM landing.work_items AS items
    USING old_runs
    WHERE items.workspace = %(workspace)s AND items.run_id = old_runs.run_id
),

unfinished_listings AS (
    DELETE FROM landing.unfinished_listings AS unfinished
    WHERE unfinished.workspace = %(workspace)s
)

DELETE FROM landing.calls AS calls
USING old_runs
WHERE calls.workspace = %(workspace)s AND calls.run_id = old_runs.run_id;
