-- Purpose: leave what a run has not read to the next one.

UPDATE landing.work_items AS items
SET left_over = true
WHERE
    items.workspace = %(workspace)s
    AND items.run_id = %(run_id)s
    AND items.chunk = %(chunk)s
    AND NOT EXISTS (
        SELECT 1
        FROM landing.repository_reads AS reads
        WHERE
            reads.workspace = items.workspace
            AND reads.repository_id = items.repository_id
            AND reads.run_id = items.run_id
    );
