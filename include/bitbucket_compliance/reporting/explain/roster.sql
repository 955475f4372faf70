-- Purpose: the rosters that were in force when a verdict was reached, and the lines of each that name a member by
-- account id or confirmed address. What the lines say is for compliance_people_reader alone.

WITH in_force AS (
    SELECT DISTINCT ON (imports.roster_name)
        imports.import_id,
        imports.roster_name,
        imports.file_name,
        imports.imported_by,
        imports.imported_at,
        imports.row_count
    FROM registry.imports AS imports
    LEFT JOIN registry.import_withdrawals AS withdrawals ON imports.import_id = withdrawals.import_id
    WHERE
        imports.kind = 'roster'
        AND imports.imported_at <= %(moment)s::timestamptz
        AND (withdrawals.taken_back_at IS null OR withdrawals.taken_back_at > %(moment)s::timestamptz)
    ORDER BY imports.roster_name ASC, imports.import_id DESC
)

SELECT
    in_force.roster_name,
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
    ) AS lines,
    (
        SELECT array_agg(refused.line ORDER BY refused.line)
        FROM registry.refused_rows AS refused
        WHERE
            refused.import_id = in_force.import_id
            AND (
                refused.account_id = %(account_id)s::text
                OR (refused.other_emails || refused.email) && %(emails)s::text[]
            )
    ) AS refused_lines
FROM in_force
ORDER BY in_force.roster_name ASC;
