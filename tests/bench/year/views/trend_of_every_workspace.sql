SELECT day, workspace, test_id, passing, failing, pending, error, score
FROM compliance.daily_trend
ORDER BY day, workspace, test_id;
