-- Purpose: by what the accounts of the policy's not_peers can be recognised, in lower case: what is written there
-- (uuid, account id), and the uuids of members whose account id or nickname it is.

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
        FROM staging.members AS members
        INNER JOIN named ON named.account IN (lower(members.account_id), lower(members.nickname))
        WHERE members.workspace = in_workspace
    ) AS found
$not_peers$;
