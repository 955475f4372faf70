-- Purpose: the rosters in force, each with the mapping that it was read by.

SELECT
    imports.roster_name,
    imports.mapping
FROM registry.rosters_in_force AS in_force
INNER JOIN registry.imports AS imports ON in_force.import_id = imports.import_id
ORDER BY imports.roster_name;
