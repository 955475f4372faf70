-- Purpose: the alerts there are now, the most severe first.

SELECT
    alerts.alert,
    alerts.workspace,
    alerts.subject,
    alerts.severity,
    alerts.title,
    alerts.since,
    alerts.reason,
    alerts.hint,
    alerts.runbook
FROM compliance.alerts AS alerts
ORDER BY
    array_position(ARRAY['critical', 'high', 'medium'], alerts.severity),
    alerts.workspace,
    alerts.alert,
    alerts.subject;
