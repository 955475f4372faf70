-- Purpose: how much shorter a listing is than the one published last; up to three missing objects count as
-- none, unless nothing is left.

CREATE VIEW quality.shrink AS
WITH listed (listing, now_listed, last_published) AS (
    VALUES
    (
        'repositories',
        (SELECT count(*) FROM quality.repositories),
        (SELECT count(*) FROM compliance.repositories WHERE workspace = current_setting('compliance.workspace'))
    ),
    (
        'members',
        (SELECT count(*) FROM quality.members),
        (SELECT count(*) FROM compliance.members WHERE workspace = current_setting('compliance.workspace'))
    )
)

SELECT
    listing,
    now_listed,
    last_published,
    greatest(last_published - now_listed, 0) AS missing,
    CASE
        WHEN now_listed = 0 AND last_published > 0 THEN 1
        WHEN last_published - now_listed > 3
            THEN (last_published - now_listed)::double precision / last_published
        ELSE 0
    END AS share
FROM listed;
