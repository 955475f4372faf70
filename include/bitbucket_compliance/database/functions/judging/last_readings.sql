-- Purpose: what a test made of each subject's configuration when that was last read: whether it failed, when it last
-- did by itself, when it last fell short (evidence may have made it good), and since when a rule of the kind it wants
-- has been in force.

CREATE FUNCTION judging.last_readings(in_workspace text, about_test text)
RETURNS TABLE (
    subject_id text, failed boolean, last_failed_at timestamptz, fell_short_at timestamptz, in_force_since timestamptz
)
LANGUAGE sql STABLE
AS $last_readings$
    SELECT
        readings.subject_id,
        readings.failed,
        readings.last_failed_at,
        CASE WHEN readings.failed THEN readings.read_at ELSE readings.last_failed_at END,
        readings.in_force_since
    FROM judged.configurations AS readings
    WHERE readings.workspace = in_workspace AND readings.test_id = about_test
$last_readings$;
