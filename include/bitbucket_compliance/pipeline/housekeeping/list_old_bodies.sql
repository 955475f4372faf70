-- Purpose: list the bodies that no run has seen for the time that policy keeps them; the newest body of an object
-- stays, however old it is.

INSERT INTO old_bodies (place, row_id)
SELECT
    row_number() OVER (),
    objects.ctid
FROM landing.objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.fetched_at < %(before)s
    AND EXISTS (
        SELECT 1
        FROM landing.objects AS newer
        WHERE
            newer.workspace = objects.workspace
            AND newer.resource = objects.resource
            AND newer.object_key = objects.object_key
            AND (newer.fetched_at, newer.first_fetched_at) > (objects.fetched_at, objects.first_fetched_at)
    );
