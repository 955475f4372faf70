-- Purpose: the steps that a run has finished, each once.

SELECT
    steps.step,
    max(steps.finished_at) AS finished_at
FROM integration.run_steps AS steps
WHERE steps.run_id = %(run_id)s
GROUP BY steps.step;
