-- Purpose: members of a workspace with the decision that stands for each, filtered, sorted, one page of them.
-- A decision is out of date when the role, or how the roster names the member, is another one since.

WITH reviewed AS (
    SELECT
        members.member_id,
        coalesce(members.display_name, members.member_id) AS display_name,
        members.nickname,
        members.member_type,
        members.role,
        members.matched_by,
        members.needs_review,
        members.last_accessed,
        reviews.decision,
        reviews.reason,
        reviews.reviewed_by,
        reviews.reviewed_at,
        reviews.role AS role_then,
        reviews.matched_by AS matched_by_then,
        CASE
            WHEN reviews.decision IS null THEN 'open'
            WHEN
                coalesce(reviews.role, '') <> coalesce(members.role, '')
                OR coalesce(reviews.matched_by, '') <> coalesce(members.matched_by, '')
                THEN 'changed'
            ELSE reviews.decision
        END AS state
    FROM compliance.members AS members
    LEFT JOIN registry.newest_access_reviews AS reviews
        ON
            members.workspace = reviews.workspace
            AND members.member_id = reviews.member_id
            AND reviews.workspace = %(workspace)s
    WHERE members.workspace = %(workspace)s
),

chosen AS (
    SELECT
        reviewed.*,
        CASE %(sort)s::text
            WHEN 'name' THEN lower(reviewed.display_name)
            WHEN 'role' THEN reviewed.role
            WHEN 'matched_by' THEN reviewed.matched_by
            WHEN 'last_accessed' THEN to_char(reviewed.last_accessed, 'YYYYMMDDHH24MISS')
            WHEN 'state' THEN reviewed.state
            WHEN 'reviewed_at' THEN to_char(reviewed.reviewed_at, 'YYYYMMDDHH24MISS')
        END AS sort_key
    FROM reviewed
    WHERE
        (
            %(search)s::text = ''
            OR strpos(lower(reviewed.display_name), lower(%(search)s)) > 0
            OR strpos(lower(reviewed.nickname), lower(%(search)s)) > 0
        )
        AND (%(role)s::text = '' OR reviewed.role = %(role)s)
        AND (%(matched_by)s::text = '' OR coalesce(reviewed.matched_by, 'nothing') = %(matched_by)s)
        AND CASE %(review)s::text
            WHEN '' THEN true
            WHEN 'needed' THEN reviewed.needs_review
            WHEN 'due' THEN reviewed.state IN ('open', 'changed')
            ELSE reviewed.state = %(review)s
        END
)

SELECT
    chosen.*,
    count(*) OVER () AS total
FROM chosen
ORDER BY
    CASE WHEN %(descending)s::boolean THEN chosen.sort_key END DESC NULLS LAST,
    CASE WHEN NOT %(descending)s::boolean THEN chosen.sort_key END ASC NULLS LAST,
    chosen.display_name ASC,
    chosen.member_id ASC
LIMIT %(limit)s::bigint OFFSET %(offset)s;
