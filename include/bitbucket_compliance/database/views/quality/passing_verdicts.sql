-- Purpose: the passing ones among the verdicts that a gate looks at.

CREATE VIEW quality.passing_verdicts AS
SELECT * FROM quality.verdicts
WHERE status = 'passing';

COMMENT ON VIEW quality.passing_verdicts IS 'The passing ones among the verdicts that a gate looks at.';

GRANT SELECT ON quality.passing_verdicts TO compliance_pipeline;
