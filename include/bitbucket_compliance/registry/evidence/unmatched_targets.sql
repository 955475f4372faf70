-- Purpose: what evidence names and what none of the subjects that it covers answers to.

SELECT named.target
FROM registry.evidence AS evidence
CROSS JOIN LATERAL unnest(evidence.targets) WITH ORDINALITY AS named (target, place)
WHERE
    evidence.evidence_id = %(evidence_id)s::uuid
    AND NOT EXISTS (
        SELECT 1
        FROM registry.evidence_subjects AS covered
        LEFT JOIN staging.repositories AS repositories
            ON covered.workspace = repositories.workspace AND covered.subject_id = repositories.repository_id
        LEFT JOIN staging.members AS members
            ON covered.workspace = members.workspace AND covered.subject_id = members.member_id
        LEFT JOIN staging.member_emails AS confirmed
            ON members.workspace = confirmed.workspace AND members.member_id = confirmed.member_id
        WHERE
            covered.evidence_id = evidence.evidence_id
            AND CASE evidence.scope
                WHEN 'project' THEN named.target = lower(repositories.project_key)
                WHEN 'repository' THEN named.target IN (lower(repositories.slug), lower(repositories.repository_id))
                ELSE named.target IN (lower(members.account_id), confirmed.email)
            END
    )
ORDER BY named.place;
