-- Purpose: trigger of compliance.result_history: an open interval may be ended, now or at the expiry of its exception;
-- nothing else of an interval ever changes, but for the time at which that was recorded. What the pipeline adds begins
-- now, or where an exception expired.

CREATE FUNCTION integration.keep_history() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $keep$
DECLARE
    ended compliance.result_history;
BEGIN
    IF tg_op = 'UPDATE' THEN
        ended := old;
        ended.valid_to := new.valid_to;
        IF
            old.valid_to IS null
            AND new IS NOT DISTINCT FROM ended
            AND (
                new.valid_to >= now()
                OR EXISTS (
                    SELECT 1 FROM registry.exceptions AS exceptions
                    WHERE
                        exceptions.exception_id = old.exception_id
                        AND new.valid_to = greatest(exceptions.expires_at, old.valid_from + interval '1 microsecond')
                )
            )
        THEN
            new.recorded_at := clock_timestamp();
            RETURN new;
        END IF;
    ELSIF EXISTS (
        SELECT 1
        FROM compliance.result_history AS before
        WHERE
            before.workspace = new.workspace
            AND before.test_id = new.test_id
            AND before.subject_id = new.subject_id
            AND before.valid_to = new.valid_from
            AND before.exception_id IS NOT null
            AND before.status = new.status
            AND before.facts_hash = new.facts_hash
    ) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'compliance.result_history: intervals are opened and ended now, never changed (test %, subject %)',
        new.test_id, new.subject_id
        USING ERRCODE = 'insufficient_privilege';
END
$keep$;

CREATE TRIGGER intervals_are_only_ended
BEFORE UPDATE ON compliance.result_history
FOR EACH ROW EXECUTE FUNCTION integration.keep_history();

CREATE TRIGGER intervals_begin_now
BEFORE INSERT ON compliance.result_history
FOR EACH ROW WHEN (new.valid_from < now() AND current_user = 'compliance_pipeline')
EXECUTE FUNCTION integration.keep_history();
