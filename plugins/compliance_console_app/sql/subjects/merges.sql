-- Purpose: the pull requests that verdicts on a repository name, as they were recorded when they were merged, and what
-- went past pull requests, the newest first. People are named as members; null: an account that is no member any more.

SELECT
    changes.kind,
    changes.pull_request_id,
    changes.link,
    changes.merged_on,
    changes.peer_approvals,
    changes.peer_reviewed,
    changes.builds,
    changes.builds_failed,
    changes.status_checks_passed,
    changes.forced,
    changes.removed,
    changes.author_id,
    authors.display_name AS author,
    changes.pull_request_id = any(%(broke)s::bigint[]) AS broke_a_rule
FROM compliance.changes AS changes
LEFT JOIN compliance.members AS authors
    ON changes.workspace = authors.workspace AND changes.author_id = authors.member_id
WHERE
    changes.workspace = %(workspace)s
    AND changes.repository_id = %(subject_id)s
    AND (changes.kind = 'direct_push' OR changes.pull_request_id = any(%(numbers)s::bigint[]))
ORDER BY changes.merged_on DESC, changes.change_key DESC
LIMIT %(limit)s;
