-- Purpose: what can be asked of confirmed addresses without showing one.

CREATE VIEW quality.member_emails AS
SELECT
    emails.member_id,
    emails.data_as_of,
    emails.email = lower(btrim(emails.email)) AS is_normalised,
    emails.email ~ '^[^\s@]+@[^\s@]+$' AS is_address,
    members.member_id IS NOT null AS is_listed,
    count(*) OVER (PARTITION BY emails.email) AS members_of_address
FROM staging.member_emails AS emails
LEFT JOIN staging.members AS members
    ON emails.workspace = members.workspace AND emails.member_id = members.member_id
WHERE emails.workspace = current_setting('compliance.workspace');
