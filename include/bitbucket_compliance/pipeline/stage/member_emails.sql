-- Purpose: the declared addresses that Bitbucket confirmed, in this run or in an earlier one whose answer still counts;
-- an answer's key begins with the address as it was asked for, whatever its spelling is there.

WITH answers AS (
    SELECT objects.*
    FROM landing.run_objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = 'member_emails'
        AND objects.run_id = %(run_id)s
    UNION ALL
    SELECT objects.*
    FROM landing.looked_up_emails AS known
    INNER JOIN landing.objects AS objects
        ON
            known.workspace = objects.workspace
            AND known.run_id = objects.run_id
            AND known.email = split_part(objects.object_key, ' ', 1)
    WHERE
        known.workspace = %(workspace)s
        AND known.run_id <> %(run_id)s
        AND objects.resource = 'member_emails'
)

SELECT
    answers.workspace,
    split_part(answers.object_key, ' ', 1) AS email,
    answers.body #>> '{user,uuid}' AS member_id,
    max(answers.fetched_at) AS data_as_of
FROM answers
GROUP BY answers.workspace, split_part(answers.object_key, ' ', 1), answers.body #>> '{user,uuid}';
