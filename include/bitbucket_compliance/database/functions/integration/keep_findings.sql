-- Purpose: trigger of compliance.finding_records: what has ended stays as it ended, and nothing is found in the past.

CREATE FUNCTION integration.keep_findings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $keep$
BEGIN
    RAISE EXCEPTION 'compliance.finding_records: findings open and end now, and never change then (test %, subject %)',
        new.test_id, new.subject_id
        USING ERRCODE = 'insufficient_privilege';
END
$keep$;

CREATE TRIGGER findings_are_only_ended
BEFORE UPDATE ON compliance.finding_records
FOR EACH ROW WHEN (old.ended_at IS NOT null OR new.ended_at < now())
EXECUTE FUNCTION integration.keep_findings();

CREATE TRIGGER findings_begin_now
BEFORE INSERT ON compliance.finding_records
FOR EACH ROW WHEN (new.found_at < now() AND current_user = 'compliance_pipeline')
EXECUTE FUNCTION integration.keep_findings();
