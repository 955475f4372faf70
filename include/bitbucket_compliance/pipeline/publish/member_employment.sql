-- Purpose: employment facts of members found by id or address, for the people reader alone; a row that says
-- somebody belongs here goes before one that says they left.

WITH addresses AS (
    SELECT
        roster.line,
        addresses.email
    FROM registry.roster AS roster
    CROSS JOIN LATERAL unnest(roster.other_emails || roster.email) AS addresses (email)
),

pairs AS (
    SELECT
        members.member_id,
        roster.line
    FROM staging.members AS members
    INNER JOIN registry.roster AS roster ON members.account_id = roster.account_id
    WHERE members.workspace = %(workspace)s AND members.member_type IS DISTINCT FROM 'app_user'
    UNION
    SELECT
        members.member_id,
        addresses.line
    FROM staging.members AS members
    INNER JOIN staging.member_emails AS emails
        ON members.workspace = emails.workspace AND members.member_id = emails.member_id
    INNER JOIN addresses ON emails.email = addresses.email
    WHERE members.workspace = %(workspace)s AND members.member_type IS DISTINCT FROM 'app_user'
),

-- a row that points at several members is about none of them for certain
matches AS (
    SELECT
        min(pairs.member_id) AS member_id,
        pairs.line
    FROM pairs
    GROUP BY pairs.line
    HAVING count(*) = 1
)

SELECT DISTINCT ON (matches.member_id)
    %(workspace)s AS workspace,
    matches.member_id,
    roster.status AS hr_status,
    roster.end_date AS hr_end_date,
    %(workspace_id)s AS workspace_id
FROM matches
INNER JOIN registry.roster AS roster ON matches.line = roster.line
ORDER BY
    matches.member_id ASC,
    (roster.status = 'terminated') ASC,
    roster.end_date DESC NULLS FIRST,
    matches.line ASC;
