-- Purpose: how evidence about one subject of a test names it.

SELECT
    CASE results.subject_type
        WHEN 'repository' THEN 'repository'
        WHEN 'member' THEN 'members'
        ELSE 'workspace'
    END AS scope,
    CASE results.subject_type
        WHEN 'repository' THEN coalesce(results.subject_name, results.subject_id)
        WHEN 'member' THEN coalesce(members.account_id, '')
        ELSE ''
    END AS targets
FROM compliance.current_results AS results
LEFT JOIN compliance.members AS members
    ON results.workspace = members.workspace AND results.subject_id = members.member_id
WHERE
    results.workspace = %(workspace)s
    AND results.test_id = %(test_id)s
    AND results.subject_id = %(subject_id)s;
