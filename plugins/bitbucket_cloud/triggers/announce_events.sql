-- Purpose: the workspaces whose events wait, and for which of them a run is to be asked for now.

SELECT
    announced.waiting_workspace AS workspace,
    announced.waiting,
    announced.announced
FROM integration.announce_events(%(quiet_seconds)s, %(longest_seconds)s, %(silent_seconds)s) AS announced;
