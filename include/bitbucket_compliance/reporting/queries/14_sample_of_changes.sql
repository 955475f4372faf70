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
        AND changes.repository_id = split_part(sample.key, ' ', 1)
        AND changes.kind = split_part(sample.key, ' ', 2)
        AND changes.change_key = split_part(sample.key, ' ', 3)
ORDER BY sample.place ASC
LIMIT 5;
