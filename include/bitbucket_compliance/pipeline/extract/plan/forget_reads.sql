-- Purpose: forget the readings of repositories that left: one that comes back is read anew.

DELETE FROM landing.repository_reads AS reads
WHERE
    reads.workspace = %(workspace)s
    AND NOT EXISTS (
        SELECT 1
        FROM staging.repositories AS repositories
        WHERE repositories.workspace = reads.workspace AND repositories.repository_id = reads.repository_id
    );
