-- Purpose: make room in the inventory for what the run publishes anew, and drop repositories that left.

DELETE FROM compliance.repositories AS published
WHERE
    published.workspace = %(workspace)s
    AND (
        %(subjects)s::text[] IS null
        OR published.repository_id = any(%(subjects)s::text[])
        OR NOT EXISTS (
            SELECT 1
            FROM staging.repositories AS staged
            WHERE staged.workspace = published.workspace AND staged.repository_id = published.repository_id
        )
    );
