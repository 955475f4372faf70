SELECT age_group, severity, count(*) AS open_findings, count(*) FILTER (WHERE is_overdue) AS overdue
FROM compliance.open_findings
WHERE workspace = 'demo-workspace'
GROUP BY age_group, severity
ORDER BY age_group, severity;
