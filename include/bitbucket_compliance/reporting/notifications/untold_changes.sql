-- Purpose: the changes of a workspace that were not told through a connection yet, the most severe first.

SELECT
    changes.kind,
    changes.change_key,
    changes.workspace,
    changes.occurred_at,
    changes.test_id,
    coalesce(tests.test_title, changes.test_id) AS test_title,
    coalesce(changes.severity, 'medium') AS severity,
    changes.subject_type,
    changes.subject_id,
    changes.subject_name,
    changes.reason,
    changes.due_at
FROM integration.notifiable_changes AS changes
LEFT JOIN compliance.tests AS tests ON changes.test_id = tests.test_id
LEFT JOIN compliance.severity_weights AS weights ON changes.severity = weights.severity
WHERE
    changes.workspace = %(workspace)s
    AND NOT EXISTS (
        SELECT 1
        FROM integration.notifications_sent AS sent
        WHERE sent.conn_id = %(conn_id)s AND sent.change_key = changes.change_key
    )
ORDER BY
    coalesce(weights.weight, 0) DESC,
    tests.display_order ASC,
    changes.subject_name ASC,
    changes.change_key ASC;
