SELECT test_title, passing, failing, pending, error, stale, score
FROM compliance.test_summary
WHERE workspace = 'demo-workspace' AND enabled
ORDER BY display_order;
