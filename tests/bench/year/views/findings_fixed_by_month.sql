SELECT
    date_trunc('month', ended_at) AS month,
    severity,
    count(*) AS fixed,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY days_to_fix) AS median_days_to_fix
FROM compliance.findings
WHERE workspace = 'demo-workspace' AND ended_because = 'fixed'
GROUP BY 1, 2
ORDER BY 1, 2;
