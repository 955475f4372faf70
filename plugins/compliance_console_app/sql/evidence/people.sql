-- Purpose: the rows of an export of two-step verification, each with the member that it names by account or confirmed
-- address; what says that somebody goes without, and rows that name no member, come first.

WITH named AS (
    SELECT
        people.line,
        people.two_step,
        members.display_name,
        members.role
    FROM registry.evidence_members AS people
    LEFT JOIN LATERAL (
        SELECT
            found.display_name,
            found.role
        FROM compliance.members AS found
        LEFT JOIN staging.member_emails AS emails
            ON found.workspace = emails.workspace AND found.member_id = emails.member_id
        WHERE
            found.workspace = %(workspace)s
            AND (found.account_id = people.account_id OR lower(emails.email) = lower(people.email))
        ORDER BY found.member_id
        LIMIT 1
    ) AS members ON true
    WHERE people.evidence_id = %(key)s::uuid
)

SELECT
    named.*,
    count(*) OVER () AS total,
    count(named.display_name) OVER () AS of_members,
    count(*) FILTER (WHERE named.two_step = 'off') OVER () AS without
FROM named
ORDER BY (named.two_step <> 'off') ASC, (named.display_name IS NOT null) ASC, named.line ASC
LIMIT %(limit)s;
