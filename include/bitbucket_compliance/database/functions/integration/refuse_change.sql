-- Purpose: trigger of the tables whose rows are added and never changed.

CREATE FUNCTION integration.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% takes new rows only', tg_table_schema, tg_table_name USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON integration.connection_events
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON integration.console_audit
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON integration.notifications_sent
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.access_reviews
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();
