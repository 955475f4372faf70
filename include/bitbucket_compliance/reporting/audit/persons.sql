-- Purpose: what persons of a workspace are called by, and the ids in braces that belong to none.

SELECT
    members.display_name AS name,
    false AS is_thing
FROM compliance.members AS members
UNION
SELECT
    members.nickname,
    false
FROM compliance.members AS members
UNION
SELECT
    members.account_id,
    false
FROM compliance.members AS members
UNION
-- An id is one without its braces too.
SELECT
    trim(BOTH '{}' FROM members.member_id),
    false
FROM compliance.members AS members
UNION
SELECT
    unnest(ARRAY[history.display_name, history.account_id, trim(BOTH '{}' FROM history.member_id)]),
    false
FROM compliance.member_history AS history
UNION
SELECT
    unnest(ARRAY[people.name, people.account_id, people.email] || people.other_emails),
    false
FROM registry.people AS people
UNION
SELECT
    persons.person,
    false
FROM registry.persons AS persons
UNION
SELECT
    history.subject_name,
    false
FROM compliance.result_history AS history
WHERE history.workspace = %(workspace)s AND history.subject_type = 'member'
UNION
SELECT
    findings.subject_name,
    false
FROM compliance.finding_records AS findings
WHERE findings.workspace = %(workspace)s AND findings.subject_type = 'member'
UNION
SELECT
    history.subject_id,
    true
FROM compliance.result_history AS history
WHERE history.workspace = %(workspace)s AND history.subject_type <> 'member'
UNION
SELECT
    repositories.repository_id,
    true
FROM compliance.repositories AS repositories
WHERE repositories.workspace = %(workspace)s
UNION
SELECT
    changes.repository_id,
    true
FROM compliance.changes AS changes
WHERE changes.workspace = %(workspace)s
UNION
SELECT
    runs.workspace_id,
    true
FROM compliance.runs AS runs
WHERE runs.workspace = %(workspace)s;
