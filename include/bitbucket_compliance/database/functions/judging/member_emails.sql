-- Purpose: addresses that Bitbucket confirmed for members.

CREATE FUNCTION judging.member_emails(in_workspace text)
RETURNS TABLE (email text, member_id text)
LANGUAGE sql STABLE
AS $member_emails$
    SELECT
        member_emails.email,
        member_emails.member_id
    FROM staging.member_emails AS member_emails
    WHERE member_emails.workspace = in_workspace
    ORDER BY member_emails.email ASC, member_emails.member_id ASC
$member_emails$;
