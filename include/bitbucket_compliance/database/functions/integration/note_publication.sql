-- Purpose: note that results of a workspace changed at an instant of this transaction, with how many intervals of
-- history begin and end there. The only way into integration.publications: an instant of the past can't be noted.

CREATE FUNCTION integration.note_publication(of_workspace text, at timestamptz, of_run text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $note$
BEGIN
    IF at < now() THEN
        RAISE EXCEPTION 'a publication of % can''t be noted afterwards: it is over', at
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO integration.publications (workspace, published_at, run_id, intervals_opened, intervals_ended)
    VALUES (
        of_workspace,
        at,
        of_run,
        (
            SELECT count(*) FROM compliance.result_history AS opened
            WHERE opened.workspace = of_workspace AND opened.valid_from = at
        ),
        (
            SELECT count(*) FROM compliance.result_history AS ended
            WHERE ended.workspace = of_workspace AND ended.valid_to = at
        )
    );
END
$note$;

GRANT EXECUTE ON FUNCTION integration.note_publication(text, timestamptz, text) TO compliance_pipeline;
