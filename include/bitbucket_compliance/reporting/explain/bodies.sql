-- Purpose: what Bitbucket had said of a subject when a verdict was reached: the newest body of each object until then,
-- without objects that were gone from the reading the verdict rests on.

WITH newest AS (
    SELECT DISTINCT ON (objects.resource, objects.object_key)
        objects.resource,
        objects.object_key,
        objects.repository_id,
        objects.body,
        objects.body_hash,
        objects.first_fetched_at,
        objects.fetched_at
    FROM landing.objects AS objects
    WHERE
        objects.workspace = %(workspace)s
        AND objects.resource = any(%(resources)s::text[])
        AND objects.first_fetched_at <= %(moment)s::timestamptz
        AND (
            objects.repository_id = %(subject_id)s
            OR objects.object_key = %(subject_id)s
            OR (objects.resource = 'member_emails' AND objects.object_key LIKE '%% ' || %(subject_id)s::text)
        )
    ORDER BY objects.resource ASC, objects.object_key ASC, objects.first_fetched_at DESC
)

SELECT newest.*
FROM newest
WHERE
    %(data_as_of)s::timestamptz IS null
    -- the listing is read before what is below it
    OR newest.repository_id IS null
    OR newest.fetched_at >= %(data_as_of)s::timestamptz
    -- of a merge both are asked for once: they don't change any more
    OR newest.resource IN ('pull_request_statuses', 'pull_request_activity')
ORDER BY newest.resource ASC, newest.first_fetched_at ASC, newest.object_key ASC;
