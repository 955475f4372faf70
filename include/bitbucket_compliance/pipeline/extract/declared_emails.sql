-- Purpose: addresses that people declared and that Bitbucket may confirm for a member, leavers first.

WITH declared AS (
    SELECT
        addresses.email,
        CASE WHEN roster.status = 'terminated' THEN 0 ELSE 1 END AS urgency
    FROM registry.roster AS roster
    CROSS JOIN LATERAL unnest(roster.other_emails || roster.email) AS addresses (email)
    WHERE addresses.email IS NOT null
    UNION ALL
    -- so that nobody passes who is named by a row that could not be used
    SELECT
        addresses.email,
        0 AS urgency
    FROM registry.refused_roster_rows AS refused
    CROSS JOIN LATERAL unnest(refused.other_emails || refused.email) AS addresses (email)
    WHERE addresses.email IS NOT null
    UNION ALL
    SELECT
        addresses.email,
        2 AS urgency
    FROM registry.evidence_members AS covered
    CROSS JOIN LATERAL unnest(covered.other_emails || covered.email) AS addresses (email)
    INNER JOIN registry.evidence_states AS evidence ON covered.evidence_id = evidence.evidence_id
    WHERE evidence.status = 'accepted' AND addresses.email IS NOT null
    UNION ALL
    -- looked up before somebody decides, so that accepting finds whom it covers
    SELECT
        named.target AS email,
        2 AS urgency
    FROM registry.evidence_states AS evidence
    CROSS JOIN LATERAL unnest(evidence.targets) AS named (target)
    WHERE evidence.status = 'submitted' AND evidence.scope = 'members' AND named.target LIKE '%%@%%'
)

SELECT declared.email
FROM declared
GROUP BY declared.email
ORDER BY min(declared.urgency), declared.email;
