-- Purpose: trigger of the decisions of the access review: what the roster says of the member in this moment is noted by
-- the database, for whoever decides may not see it, and a decision is due again when it changes.

CREATE FUNCTION registry.note_employment() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $note$
BEGIN
    SELECT
        employment.hr_status,
        employment.hr_end_date
    INTO NEW.hr_status, NEW.hr_end_date
    FROM compliance.member_employment AS employment
    WHERE employment.workspace = NEW.workspace AND employment.member_id = NEW.member_id;
    RETURN NEW;
END
$note$;

CREATE TRIGGER employment_is_noted BEFORE INSERT ON registry.access_reviews
FOR EACH ROW EXECUTE FUNCTION registry.note_employment();
