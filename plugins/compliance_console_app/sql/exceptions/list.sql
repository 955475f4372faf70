-- Purpose: exceptions of a workspace: what waits for a review, what ends within 14 days, or a page of all of them.

SELECT
    exceptions.exception_id,
    coalesce(tests.test_title, exceptions.test_id) AS test_title,
    exceptions.scope,
    coalesce(results.subject_name, exceptions.target) AS target_name,
    exceptions.owner,
    exceptions.reason,
    exceptions.requested_by,
    exceptions.requested_at,
    exceptions.status,
    exceptions.decided_by,
    exceptions.decided_at,
    exceptions.decision_reason,
    exceptions.expires_at,
    exceptions.subjects,
    exceptions.subjects_covered,
    count(*) OVER () AS total
FROM compliance.exceptions AS exceptions
LEFT JOIN compliance.tests AS tests ON exceptions.test_id = tests.test_id
LEFT JOIN compliance.current_results AS results
    ON
        exceptions.workspace = results.workspace
        AND exceptions.test_id = results.test_id
        AND exceptions.target = results.subject_id
WHERE
    (%(workspace)s::text = '' OR exceptions.workspace = %(workspace)s)
    AND (%(test_id)s::text = '' OR exceptions.test_id = %(test_id)s)
    AND CASE %(section)s::text
        WHEN 'review' THEN exceptions.status = 'requested'
        WHEN 'expiring' THEN exceptions.status = 'accepted' AND exceptions.expires_at <= now() + interval '14 days'
        ELSE %(status)s::text = '' OR exceptions.status = %(status)s
    END
ORDER BY
    CASE %(section)s::text
        WHEN 'review' THEN exceptions.requested_at
        WHEN 'expiring' THEN exceptions.expires_at
    END ASC,
    exceptions.requested_at DESC,
    exceptions.exception_id ASC
LIMIT %(limit)s OFFSET %(offset)s;
