-- Purpose: the session's list of landed bodies that may go.

CREATE TEMPORARY TABLE IF NOT EXISTS old_bodies (
    place bigint PRIMARY KEY,
    row_id tid NOT NULL
) ON COMMIT PRESERVE ROWS;

TRUNCATE old_bodies;
