-- Purpose: trigger of webhook_events: wakes whoever listens on the channel of that name.

CREATE FUNCTION integration.announce_webhook_events() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $announce$
BEGIN
    PERFORM pg_notify('webhook_events', '');
    RETURN null;
END
$announce$;

CREATE TRIGGER webhook_events_are_announced
AFTER INSERT ON integration.webhook_events
FOR EACH STATEMENT EXECUTE FUNCTION integration.announce_webhook_events();
