-- Purpose: the answer of Bitbucket that a sampled pull request was last known by, where it is still kept.

SELECT
    objects.body,
    objects.fetched_at
FROM landing.objects AS objects
WHERE
    objects.workspace = %(workspace)s
    AND objects.resource = 'pull_requests'
    AND objects.repository_id = %(repository_id)s
    AND objects.body ->> 'id' = %(key)s
ORDER BY objects.fetched_at DESC
LIMIT 1;
