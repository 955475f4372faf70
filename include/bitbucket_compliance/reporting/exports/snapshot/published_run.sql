-- Purpose: a run that published, by its id, with the instant from which readers saw what it published.

SELECT
    runs.workspace,
    runs.run_id,
    runs.policy_version,
    -- What a run that answered events did not look at is as fresh as the whole run before it left it.
    CASE
        WHEN runs.kind = 'polling' THEN runs.finished_at
        ELSE (
            SELECT max(whole.finished_at)
            FROM compliance.runs AS whole
            WHERE
                whole.workspace = runs.workspace
                AND whole.kind = 'polling'
                AND whole.status = 'published'
                AND whole.finished_at <= runs.finished_at
        )
    END AS finished_at,
    greatest(
        runs.finished_at,
        (
            -- What it opened in history began then, which may lie a moment behind the start of its transaction.
            SELECT max(history.valid_from)
            FROM compliance.result_history AS history
            WHERE history.workspace = runs.workspace AND history.run_id = runs.run_id
        )
    ) AS published_at
FROM compliance.runs AS runs
WHERE runs.run_id = %(run_id)s AND runs.status = 'published';
