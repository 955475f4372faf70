-- Purpose: the declared addresses that Bitbucket confirmed.

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
GROUP BY objects.workspace, lower(trim(objects.body #>> '{user,email}')), objects.body #>> '{user,uuid}';
