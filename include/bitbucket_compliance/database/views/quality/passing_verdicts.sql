-- Purpose: the passing ones among the verdicts that a gate looks at.

CREATE VIEW quality.passing_verdicts AS
SELECT * FROM quality.verdicts
WHERE status = 'passing';
