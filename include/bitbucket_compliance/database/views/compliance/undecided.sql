-- Purpose: what could not be decided, why, and what would change that.

CREATE VIEW compliance.undecided AS
SELECT
    results.workspace,
    results.test_id,
    results.status,
    results.reason_code,
    count(*) AS subjects,
    min(results.status_since) AS longest_since,
    min(codes.meaning) AS meaning,
    min(codes.remediation) AS remediation
FROM compliance.current_results AS results
LEFT JOIN compliance.reason_codes AS codes
    ON results.test_id = codes.test_id AND results.reason_code = codes.reason_code
WHERE results.status IN ('pending', 'error')
GROUP BY results.workspace, results.test_id, results.status, results.reason_code;

COMMENT ON VIEW compliance.undecided IS 'What could not be decided, why, and what would change that.';
COMMENT ON COLUMN compliance.undecided.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.undecided.test_id IS 'Test; see tests.';
COMMENT ON COLUMN compliance.undecided.status IS 'pending or error.';
COMMENT ON COLUMN compliance.undecided.reason_code IS 'Stable code of the reason.';
COMMENT ON COLUMN compliance.undecided.subjects IS 'How many subjects.';
COMMENT ON COLUMN compliance.undecided.longest_since IS 'Since when the longest of them.';
COMMENT ON COLUMN compliance.undecided.meaning IS 'What the reason code means.';
COMMENT ON COLUMN compliance.undecided.remediation IS 'What would change it.';

GRANT SELECT ON compliance.undecided TO compliance_pipeline, compliance_console, compliance_reader;
