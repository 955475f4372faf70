-- Purpose: verdicts on evidence that is missing, not accepted, about another test, captured later than the run, or run
-- out; days are those of the policy's time zone.

CREATE VIEW quality.unsupported_verdicts AS
SELECT * FROM quality.verdicts_on_evidence
WHERE
    evidence_status IS DISTINCT FROM 'accepted'
    OR evidence_about <> test_id
    OR captured_on > judged_on
    OR runs_out_on <= judged_on;
