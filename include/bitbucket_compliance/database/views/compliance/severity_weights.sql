-- Purpose: how much a verdict of each severity weighs in a score.

CREATE VIEW compliance.severity_weights AS
SELECT
    weights.severity,
    weights.weight
FROM (VALUES ('critical', 3), ('high', 2), ('medium', 1)) AS weights (severity, weight);

COMMENT ON VIEW compliance.severity_weights IS 'How much a verdict of each severity weighs in a score.';
COMMENT ON COLUMN compliance.severity_weights.severity IS 'critical, high or medium.';
COMMENT ON COLUMN compliance.severity_weights.weight IS 'Its weight.';

GRANT SELECT ON compliance.severity_weights TO compliance_pipeline, compliance_console, compliance_reader;
