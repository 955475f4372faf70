-- Purpose: what can't be decided in a workspace, and what would change that.
SELECT
    undecided.test_id,
    tests.test_title,
    undecided.status,
    undecided.reason_code,
    undecided.subjects,
    undecided.longest_since,
    undecided.meaning,
    undecided.remediation
FROM compliance.undecided AS undecided
INNER JOIN compliance.tests AS tests ON undecided.test_id = tests.test_id
WHERE undecided.workspace = %(workspace)s
ORDER BY undecided.subjects DESC, tests.display_order ASC, undecided.reason_code ASC
