-- Purpose: employment facts of members found by id or address, for the people reader alone: of the roster that decides
-- before others; there a row that says somebody belongs here goes before one that says they left.

SELECT DISTINCT ON (matches.member_id)
    %(workspace)s AS workspace,
    matches.member_id,
    roster.status AS hr_status,
    roster.end_date AS hr_end_date,
    %(workspace_id)s AS workspace_id
FROM
    unnest(%(employed)s::text[], %(employed_rosters)s::text[], %(employed_lines)s::integer[])
        AS matches (member_id, roster_name, line)
INNER JOIN registry.roster AS roster ON matches.roster_name = roster.roster_name AND matches.line = roster.line
ORDER BY
    matches.member_id ASC,
    array_position(%(roster_precedence)s::text[], matches.roster_name) ASC NULLS LAST,
    (roster.status = 'terminated') ASC,
    roster.end_date DESC NULLS FIRST,
    matches.roster_name ASC,
    matches.line ASC;
