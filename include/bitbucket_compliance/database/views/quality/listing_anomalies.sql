-- Purpose: listings that, also when read again, repeated an object or disagreed with their own size.

CREATE VIEW quality.listing_anomalies AS
SELECT
    resource,
    repository_id,
    items,
    listing_size,
    repeated_items
FROM landing.calls
WHERE
    workspace = current_setting('compliance.workspace')
    AND run_id = current_setting('compliance.run_id')
    AND outcome = 'ok'
    AND (repeated_items > 0 OR items <> listing_size);
