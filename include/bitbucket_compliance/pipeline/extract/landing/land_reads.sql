-- Purpose: note which repositories were read to the end, when, and what they looked like when they were planned.

INSERT INTO landing.repository_reads AS reads (
    workspace, repository_id, run_id, read_at, complete, updated_on, main_branch, non_production, read_signature
)
SELECT
    items.workspace,
    items.repository_id,
    items.run_id,
    incoming.read_at,
    incoming.complete,
    items.updated_on,
    items.main_branch,
    items.non_production,
    items.read_signature
FROM incoming_reads AS incoming
INNER JOIN landing.work_items AS items
    ON
        items.workspace = %(workspace)s
        AND items.run_id = %(run_id)s
        AND incoming.repository_id = items.repository_id
ON CONFLICT (workspace, repository_id) DO UPDATE
    SET
        run_id = excluded.run_id,
        read_at = excluded.read_at,
        complete = excluded.complete,
        updated_on = excluded.updated_on,
        main_branch = excluded.main_branch,
        non_production = excluded.non_production,
        read_signature = excluded.read_signature;
