-- Purpose: how the newest try of a gate of the run ended, and whether it looked at what is staged and judged now.

SELECT
    outcomes.passed,
    outcomes.looked_at = quality.gate_state(outcomes.workspace, outcomes.run_id, outcomes.gate) AS is_current
FROM quality.gate_outcomes AS outcomes
WHERE outcomes.workspace = %(workspace)s AND outcomes.run_id = %(run_id)s AND outcomes.gate = %(gate)s
ORDER BY outcomes.outcome_id DESC
LIMIT 1;
