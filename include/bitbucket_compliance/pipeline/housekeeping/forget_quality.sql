-- Purpose: delete what the gates noted of runs that are older than what policy keeps.

DELETE FROM quality.expectation_results AS expectations
WHERE expectations.workspace = %(workspace)s AND expectations.evaluated_at < %(before)s;
