-- Purpose: listings that, also when read again, were not shown to be complete.

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
    AND incomplete_because IS NOT null;
