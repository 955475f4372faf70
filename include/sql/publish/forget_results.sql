-- Purpose: drop current results of subjects that left the workspace and of tests that were switched off.

DELETE FROM compliance.results AS results
WHERE
    results.workspace = %(workspace)s
    AND results.run_id <> %(run_id)s;
