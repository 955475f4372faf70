-- Purpose: repositories whose slug another one was listed with at the same time or later: what was asked for by the
-- slug may be the other one's.

CREATE VIEW quality.contested_slugs AS
SELECT
    repositories.repository_id,
    repositories.slug,
    repositories.data_as_of
FROM quality.repositories AS repositories
WHERE EXISTS (
    SELECT 1
    FROM quality.repositories AS others
    WHERE
        others.slug = repositories.slug
        AND others.repository_id <> repositories.repository_id
        AND others.data_as_of >= repositories.data_as_of
);
