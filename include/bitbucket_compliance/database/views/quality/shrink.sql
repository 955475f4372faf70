-- Purpose: how much shorter a listing is than the one published last; up to three missing objects count as none.

CREATE VIEW quality.shrink AS
WITH listed AS (
    SELECT
        'repositories' AS listing,
        (
            SELECT count(*) FROM staging.repositories AS staged
            WHERE staged.workspace = current_setting('compliance.workspace')
        ) AS now_listed,
        (
            SELECT count(*) FROM compliance.repositories AS published
            WHERE published.workspace = current_setting('compliance.workspace')
        ) AS last_published
    UNION ALL
    SELECT
        'members' AS listing,
        (
            SELECT count(*) FROM staging.members AS staged
            WHERE staged.workspace = current_setting('compliance.workspace')
        ) AS now_listed,
        (
            SELECT count(*) FROM compliance.members AS published
            WHERE published.workspace = current_setting('compliance.workspace')
        ) AS last_published
)

SELECT
    listing,
    now_listed,
    last_published,
    greatest(last_published - now_listed, 0) AS missing,
    CASE
        WHEN last_published - now_listed > 3
            THEN (last_published - now_listed)::double precision / last_published
        ELSE 0
    END AS share
FROM listed;
