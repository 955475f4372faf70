-- Purpose: the rows of the rosters in force that could not be used; the same ones for every workspace.

CREATE FUNCTION judging.refused_rows(in_workspace text)
RETURNS TABLE (
    line integer, email text, name text, account_id text, imported_at timestamptz, other_emails text[],
    roster_name text
)
LANGUAGE sql STABLE
AS $refused_rows$
    SELECT
        refused.line,
        refused.email,
        refused.name,
        refused.account_id,
        refused.imported_at,
        refused.other_emails,
        refused.roster_name
    FROM registry.refused_roster_rows AS refused
    ORDER BY refused.roster_name ASC, refused.line ASC
$refused_rows$;
