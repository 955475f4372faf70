-- How long did it take to fix?
-- Purpose: what each test found since the start of the year, how much of it was fixed, how fast, and how often in time.

SELECT
    findings.test_id,
    findings.severity,
    count(*) AS found,
    count(findings.days_to_fix) AS fixed,
    count(*) FILTER (WHERE findings.ended_at IS null) AS still_open,
    round(percentile_cont(0.5) WITHIN GROUP (ORDER BY findings.days_to_fix)::numeric, 1) AS median_days_to_fix,
    round(max(findings.days_to_fix), 1) AS longest,
    count(*) FILTER (WHERE findings.days_to_fix IS NOT null AND findings.late_days = 0) AS fixed_in_time
FROM compliance.findings AS findings
INNER JOIN compliance.severity_weights AS weights ON findings.severity = weights.severity
WHERE findings.workspace = 'demo-workspace' AND findings.found_at >= '2026-01-01'
GROUP BY findings.test_id, findings.severity, weights.weight
ORDER BY weights.weight DESC, findings.test_id ASC;
