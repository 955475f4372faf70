-- Show me these: which changes would a sample hold?
-- Purpose: a sample of the changes of a half-year, which anybody draws again by the seed, with what is known of each.

SELECT
    sample.place,
    changes.repository,
    changes.kind,
    changes.merged_on::date AS merged_on,
    changes.peer_reviewed,
    changes.status_checks_passed,
    sample.population_size,
    left(sample.draw_digest, 12) AS draw_digest
FROM compliance.sample('demo-workspace', 'changes', '2025-10-01', '2026-03-31', 'auditor') AS sample
INNER JOIN compliance.changes AS changes
    ON
        changes.workspace = 'demo-workspace'
        AND changes.merged_on >= '2025-10-01'
        AND changes.merged_on < '2026-04-01'
        AND concat_ws(' ', changes.repository_id, changes.kind, changes.change_key) = sample.key
ORDER BY sample.place ASC
LIMIT 5;
