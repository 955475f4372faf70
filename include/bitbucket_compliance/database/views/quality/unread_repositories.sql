-- Purpose: repositories the run was to read, with neither an answer nor a recorded failure.

CREATE VIEW quality.unread_repositories AS
SELECT
    items.repository_id,
    items.slug,
    resources.resource
FROM landing.work_items AS items
-- those that the run asks every repository for
CROSS JOIN unnest(string_to_array(current_setting('compliance.always_read'), ',')) AS resources (resource)
WHERE
    items.workspace = current_setting('compliance.workspace')
    AND items.run_id = current_setting('compliance.run_id')
    AND NOT items.left_over
    AND NOT EXISTS (
        SELECT 1
        FROM landing.calls AS calls
        WHERE
            calls.workspace = items.workspace
            AND calls.run_id = items.run_id
            AND calls.repository_id = items.repository_id
            AND calls.resource = resources.resource
    );
