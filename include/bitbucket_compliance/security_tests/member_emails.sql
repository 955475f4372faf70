-- Purpose: addresses that Bitbucket confirmed for members.

SELECT
    member_emails.email,
    member_emails.member_id
FROM staging.member_emails AS member_emails
WHERE member_emails.workspace = %(workspace)s
ORDER BY member_emails.email, member_emails.member_id;
