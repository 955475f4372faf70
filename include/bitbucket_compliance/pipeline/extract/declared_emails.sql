-- Purpose: addresses that people declared and that Bitbucket may confirm for a member, leavers first.

WITH declared AS (
    SELECT
        roster.email,
        CASE WHEN roster.status = 'terminated' THEN 0 ELSE 1 END AS urgency
    FROM registry.roster AS roster
    WHERE roster.email IS NOT null
    UNION ALL
    SELECT
        covered.email,
        2 AS urgency
    FROM registry.evidence_members AS covered
    INNER JOIN registry.evidence_states AS evidence ON covered.evidence_id = evidence.evidence_id
    WHERE evidence.status = 'accepted' AND covered.email IS NOT null
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
