-- Purpose: stage the declared addresses that Bitbucket confirmed in this run, and no others.

WITH confirmed AS (
    SELECT
        objects.workspace,
        lower(trim(objects.body #>> '{user,email}')) AS email,
        objects.body #>> '{user,uuid}' AS member_id,
        max(objects.fetched_at) AS data_as_of
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'member_emails'
        AND objects.run_id = %(run_id)s
    GROUP BY objects.workspace, lower(trim(objects.body #>> '{user,email}')), objects.body #>> '{user,uuid}'
),

forgotten AS (
    DELETE FROM staging.member_emails AS staged
    WHERE
        staged.workspace = %(workspace)s
        AND NOT EXISTS (
            SELECT 1 FROM confirmed
            WHERE confirmed.email = staged.email AND confirmed.member_id = staged.member_id
        )
)

INSERT INTO staging.member_emails (workspace, email, member_id, data_as_of)
SELECT
    confirmed.workspace,
    confirmed.email,
    confirmed.member_id,
    confirmed.data_as_of
FROM confirmed
ON CONFLICT (workspace, email, member_id) DO UPDATE
    SET data_as_of = excluded.data_as_of;
