-- Purpose: what was published last and is not listed any more.

CREATE VIEW quality.missing_objects AS
SELECT
    'repositories' AS listing,
    published.repository_id AS object_id,
    published.slug
FROM compliance.repositories AS published
WHERE
    published.workspace = current_setting('compliance.workspace')
    AND NOT EXISTS (
        SELECT 1 FROM staging.repositories AS staged
        WHERE staged.workspace = published.workspace AND staged.repository_id = published.repository_id
    )
UNION ALL
SELECT
    'members' AS listing,
    published.member_id AS object_id,
    null AS slug
FROM compliance.members AS published
WHERE
    published.workspace = current_setting('compliance.workspace')
    AND NOT EXISTS (
        SELECT 1 FROM staging.members AS staged
        WHERE staged.workspace = published.workspace AND staged.member_id = published.member_id
    );
