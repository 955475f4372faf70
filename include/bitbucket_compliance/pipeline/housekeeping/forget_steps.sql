-- Purpose: delete how long the steps of old runs took; the runs themselves stay.

DELETE FROM integration.run_steps AS steps
WHERE steps.workspace = %(workspace)s AND steps.started_at < %(before)s;
