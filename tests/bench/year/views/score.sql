SELECT workspace, score, fresh_score, failing, pending, error, stale, excepted, overdue
FROM compliance.workspace_score
WHERE workspace = 'demo-workspace';
