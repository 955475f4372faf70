-- What could not be decided, and why?
-- Purpose: verdicts that wait for something or could not be collected, by reason, with what would change that.

SELECT
    undecided.test_id,
    undecided.status,
    undecided.reason_code,
    undecided.subjects,
    undecided.longest_since::date AS longest_since,
    undecided.meaning
FROM compliance.undecided AS undecided
WHERE undecided.workspace = 'demo-workspace'
ORDER BY undecided.subjects DESC, undecided.test_id ASC, undecided.reason_code ASC;
