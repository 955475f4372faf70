-- Purpose: how many addresses of a declared table no roster in force names, nor any member has: Bitbucket was not asked
-- for them yet.

WITH known AS (
    SELECT addresses.email
    FROM registry.people AS people
    INNER JOIN registry.rosters_in_force AS in_force ON people.import_id = in_force.import_id
    CROSS JOIN LATERAL unnest(people.other_emails || people.email) AS addresses (email)
    UNION ALL
    SELECT confirmed.email
    FROM staging.member_emails AS confirmed
)

SELECT count(*)::integer AS addresses
FROM unnest(%(emails)s::text[]) AS declared (email)
WHERE NOT EXISTS (SELECT 1 FROM known WHERE known.email = declared.email);
