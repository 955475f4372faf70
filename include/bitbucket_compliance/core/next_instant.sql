-- Purpose: the one instant of a publication: now, and later than everything that history says of the workspace, even
-- where two publications meet in one instant or the server's clock was put back.
-- Two microseconds: an interval is cut at the expiry of its exception between the last instant and this one.

SELECT greatest(clock_timestamp(), max(history.valid_from) + interval '2 microseconds') AS published_at
FROM compliance.result_history AS history
WHERE history.workspace = %(workspace)s AND history.valid_to IS null;
