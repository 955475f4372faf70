SELECT test_id, reason_code, status, sum(subjects) AS subjects
FROM compliance.undecided
WHERE workspace = 'demo-workspace'
GROUP BY test_id, reason_code, status
ORDER BY subjects DESC;
