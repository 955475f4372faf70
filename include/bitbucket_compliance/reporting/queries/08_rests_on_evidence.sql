-- Which verdicts rest on evidence, and when does it run out?
-- Purpose: verdicts that people's evidence decided, by the evidence, the one that runs out first on top.

SELECT
    results.test_id,
    evidence.scope,
    evidence.file_name,
    evidence.captured_on,
    evidence.accepted_by,
    evidence.valid_until::date AS valid_until,
    count(*) FILTER (WHERE results.status = 'passing') AS passing,
    count(*) FILTER (WHERE results.status = 'failing') AS failing
FROM compliance.current_results AS results
LEFT JOIN compliance.evidence AS evidence ON results.detail ->> 'evidence_id' = evidence.evidence_id::text
WHERE results.workspace = 'demo-workspace' AND results.basis = 'evidence'
GROUP BY
    results.test_id,
    evidence.evidence_id,
    evidence.scope,
    evidence.file_name,
    evidence.captured_on,
    evidence.accepted_by,
    evidence.valid_until
ORDER BY evidence.valid_until ASC, results.test_id ASC;
