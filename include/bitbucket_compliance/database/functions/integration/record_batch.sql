-- Purpose: the batch of the record that takes what this transaction writes of a workspace; made where there is none.

CREATE FUNCTION integration.record_batch(of_workspace text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $batch$
DECLARE
    setting text := 'compliance.batch_' || md5(of_workspace);
    known text := current_setting(setting, true);
    made bigint;
BEGIN
    IF coalesce(known, '') <> '' THEN
        RETURN known::bigint;
    END IF;
    INSERT INTO integration.record_batches (workspace) VALUES (of_workspace) RETURNING batch INTO made;
    -- Until the transaction ends.
    PERFORM set_config(setting, made::text, true);
    RETURN made;
END
$batch$;
