-- Purpose: forget calls that a repository no longer needs once it was read to the end, and those on the workspace
-- where a run lists all of it. What this run did not read again keeps its outcome.

DELETE FROM staging.coverage AS staged
WHERE
    staged.workspace = %(workspace)s
    AND staged.run_id <> %(run_id)s
    AND (
        (staged.repository_id = '' AND %(lists_all)s)
        OR EXISTS (
            SELECT 1 FROM landing.repository_reads AS reads
            WHERE
                reads.workspace = staged.workspace
                AND reads.repository_id = staged.repository_id
                AND reads.run_id = %(run_id)s
        )
    );
