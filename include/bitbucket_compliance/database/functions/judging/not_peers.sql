-- Purpose: by what the accounts of the policy's not_peers can be recognised, in lower case: what is written there
-- (uuid, account id), and the uuids of those who are or were members with this account id or nickname.

CREATE FUNCTION judging.not_peers(in_workspace text, accounts text[]) RETURNS text[]
LANGUAGE sql STABLE
AS $not_peers$
    WITH named AS (
        SELECT lower(trim(given.account)) AS account
        FROM unnest(accounts) AS given (account)
    )

    SELECT coalesce(array_agg(found.account), '{}')
    FROM (
        SELECT named.account
        FROM named
        UNION
        SELECT '{' || named.account || '}'
        FROM named
        UNION
        SELECT lower(members.member_id)
        FROM staging.member_names AS members
        INNER JOIN named ON members.name = named.account
        WHERE members.workspace = in_workspace
    ) AS found
$not_peers$;
