-- Purpose: one page of the repositories of a workspace as they were at a moment, or the one of a key: uuid or slug.

SELECT
    history.repository_id,
    coalesce(history.slug, history.repository_id) AS name,
    history.slug,
    history.project_key,
    history.visibility,
    history.default_branch,
    history.owner,
    history.classification,
    history.sensitivity,
    count(*) OVER () AS total
FROM compliance.repository_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.valid_from <= %(as_of)s
    AND (history.valid_to IS null OR history.valid_to > %(as_of)s)
    AND (%(key)s::text = '' OR history.repository_id = %(key)s OR history.slug = lower(%(key)s))
    AND (%(words)s::text = '' OR strpos(lower(history.slug), lower(%(words)s)) > 0)
ORDER BY name ASC, history.repository_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
