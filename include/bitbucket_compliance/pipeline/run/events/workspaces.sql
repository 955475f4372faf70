-- Purpose: the workspaces for whose waiting events a run was asked for and has not begun yet.

SELECT DISTINCT events.workspace
FROM integration.webhook_events AS events
WHERE events.handled_at IS null AND events.announced_at IS NOT null AND events.run_id IS null
ORDER BY events.workspace;
