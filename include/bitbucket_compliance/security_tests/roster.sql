-- Purpose: the roster in force, with when it was imported.

SELECT
    roster.line,
    roster.email,
    roster.name,
    roster.status,
    roster.end_date,
    roster.account_id,
    roster.imported_at
FROM registry.roster AS roster
ORDER BY roster.line;
