-- Purpose: whether evidence counts where rules can't be read: where they failed when they last were, it was captured
-- on a later day.

CREATE FUNCTION judging.evidence_counts(captured_on date, last_failed_at timestamptz, time_zone text) RETURNS boolean
LANGUAGE sql STABLE
AS $evidence_counts$
    SELECT coalesce(captured_on > (last_failed_at AT TIME ZONE time_zone)::date, captured_on IS NOT null)
$evidence_counts$;
