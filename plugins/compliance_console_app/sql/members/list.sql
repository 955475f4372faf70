-- Purpose: members of a workspace with the decision that stands for each, filtered, sorted, one page of them; leavers
-- before those whom the roster does not name, these before the rest, where nothing else is asked for.

WITH reviewed AS (
    SELECT
        review.member_id,
        coalesce(review.display_name, review.member_id) AS display_name,
        review.nickname,
        review.member_type,
        review.role,
        review.matched_by,
        review.last_accessed,
        review.review_group,
        array_position(ARRAY['left', 'not_on_roster', 'name_only', 'app', 'fine'], review.review_group) AS urgency,
        review.offboarding_status,
        review.two_step_verification,
        review.decision,
        review.decision_reason AS reason,
        review.reviewed_by,
        review.reviewed_at,
        review.review_state AS state,
        review.changed_since,
        review.role_then,
        review.matched_by_then
    FROM compliance.access_review AS review
    WHERE review.workspace = %(workspace)s
),

chosen AS (
    SELECT
        reviewed.*,
        CASE %(sort)s::text
            WHEN 'urgency' THEN reviewed.urgency::text
            WHEN 'name' THEN lower(reviewed.display_name)
            WHEN 'role' THEN reviewed.role
            WHEN 'two_step' THEN reviewed.two_step_verification
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
        AND (%(roster)s::text = '' OR reviewed.review_group = %(roster)s)
        AND CASE %(review)s::text
            WHEN '' THEN true
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
