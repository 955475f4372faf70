-- Purpose: when the roster was imported, and how many days ago.

CREATE VIEW quality.roster_age AS
SELECT
    max(imports.imported_at) AS imported_at,
    (extract(EPOCH FROM now() - max(imports.imported_at)) / 86400.0)::double precision AS age_days
FROM registry.imports AS imports
WHERE imports.kind = 'roster';
