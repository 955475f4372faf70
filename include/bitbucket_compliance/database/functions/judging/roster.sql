-- Purpose: the rosters in force, with when each was imported; the same ones for every workspace.

CREATE FUNCTION judging.roster(in_workspace text)
RETURNS TABLE (
    line integer, email text, name text, status text, end_date date, account_id text, imported_at timestamptz,
    other_emails text[], roster_name text
)
LANGUAGE sql STABLE
AS $roster$
    SELECT
        roster.line,
        roster.email,
        roster.name,
        roster.status,
        roster.end_date,
        roster.account_id,
        roster.imported_at,
        roster.other_emails,
        roster.roster_name
    FROM registry.roster AS roster
    ORDER BY roster.roster_name ASC, roster.line ASC
$roster$;
