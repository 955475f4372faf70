-- Purpose: when the oldest of the rosters in force was imported, and how many days ago.

CREATE VIEW quality.roster_age AS
SELECT
    min(in_force.imported_at) AS imported_at,
    (extract(EPOCH FROM now() - min(in_force.imported_at)) / 86400.0)::double precision AS age_days
FROM registry.rosters_in_force AS in_force;
