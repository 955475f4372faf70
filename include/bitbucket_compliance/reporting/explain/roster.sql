-- Purpose: the roster that was in force when a verdict was reached, and the lines of it that name a member by account
-- id or confirmed address. What the lines say is for compliance_people_reader alone.

WITH in_force AS (
    SELECT
        imports.import_id,
        imports.file_name,
        imports.imported_by,
        imports.imported_at,
        imports.row_count
    FROM registry.imports AS imports
    WHERE imports.kind = 'roster' AND imports.imported_at <= %(moment)s::timestamptz
    ORDER BY imports.import_id DESC
    LIMIT 1
)

SELECT
    in_force.file_name,
    in_force.imported_by,
    in_force.imported_at,
    in_force.row_count,
    (
        SELECT array_agg(people.line ORDER BY people.line)
        FROM registry.people AS people
        WHERE
            people.import_id = in_force.import_id
            AND (
                people.account_id = %(account_id)s::text
                OR (people.other_emails || people.email) && %(emails)s::text[]
            )
    ) AS lines
FROM in_force;
