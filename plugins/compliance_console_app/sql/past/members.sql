-- Purpose: one page of the members of a workspace as they were at a moment, or the one of a uuid.

SELECT
    history.member_id,
    coalesce(history.display_name, history.member_id) AS name,
    history.member_type,
    history.role,
    history.added_on,
    count(*) OVER () AS total
FROM compliance.member_history AS history
WHERE
    history.workspace = %(workspace)s
    AND history.valid_from <= %(as_of)s
    AND (history.valid_to IS null OR history.valid_to > %(as_of)s)
    AND (%(key)s::text = '' OR history.member_id = %(key)s)
    AND (%(words)s::text = '' OR strpos(lower(history.display_name), lower(%(words)s)) > 0)
ORDER BY name ASC, history.member_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
