-- Purpose: what people call the things that the audit trail names by an id.

SELECT
    repositories.repository_id AS id,
    'repository ' || coalesce(repositories.slug, repositories.repository_id) AS name
FROM compliance.repositories AS repositories
WHERE repositories.repository_id = any(%(ids)s::text[])
UNION
SELECT
    members.member_id AS id,
    'member ' || coalesce(members.display_name, members.member_id) AS name
FROM compliance.members AS members
WHERE members.member_id = any(%(ids)s::text[])
UNION
SELECT
    evidence.evidence_id::text AS id,
    evidence.file_name AS name
FROM registry.evidence_states AS evidence
WHERE evidence.evidence_id::text = any(%(ids)s::text[])
UNION
SELECT
    exceptions.exception_id::text AS id,
    coalesce(results.subject_name, exceptions.target) AS name
FROM registry.exception_states AS exceptions
LEFT JOIN compliance.current_results AS results
    ON
        exceptions.workspace = results.workspace
        AND exceptions.test_id = results.test_id
        AND exceptions.target = results.subject_id
WHERE exceptions.exception_id::text = any(%(ids)s::text[]);
