-- Purpose: a repository whose slug a repository has that was listed later was deleted or renamed: until a whole listing
-- tells which, it goes by its uuid.

UPDATE staging.repositories AS earlier
SET slug = earlier.repository_id
FROM staging.repositories AS later
WHERE
    earlier.workspace = %(workspace)s
    AND earlier.workspace = later.workspace
    AND earlier.slug = later.slug
    AND (earlier.data_as_of, earlier.repository_id) < (later.data_as_of, later.repository_id);
