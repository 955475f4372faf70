-- Purpose: delete up to so many rows of a workspace's history that ended before an instant, 400 days ago or earlier;
-- how many went. The record keeps that they were there, and history_kept says from when on history is whole. The
-- caller seals the record.

CREATE FUNCTION integration.forget_history(of_workspace text, ended_before timestamptz, most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC'
AS $forget$
DECLARE
    forgettable record;
    first_day date := (ended_before AT TIME ZONE 'UTC')::date;
    deleted bigint;
    total bigint := 0;
BEGIN
    IF ended_before > clock_timestamp() - interval '400 days' THEN
        RAISE EXCEPTION 'history is kept for 400 days at least' USING ERRCODE = 'insufficient_privilege';
    END IF;
    FOR forgettable IN
        SELECT rules.relation, rules.condition, recorded.key_columns
        FROM integration.forgettable() AS rules
        LEFT JOIN integration.recorded_tables() AS recorded ON rules.relation = recorded.relation
    LOOP
        EXECUTE format(
            $delete$
            WITH old AS MATERIALIZED (
                SELECT one.ctid AS place FROM %1$s AS one WHERE one.workspace = $1 AND (%2$s) LIMIT $3
            ),

            gone AS (
                DELETE FROM %1$s AS one USING old WHERE one.ctid = old.place RETURNING to_jsonb(one) AS body
            ),

            noted AS (
                INSERT INTO integration.record_rows (workspace, batch, relation, row_key)
                SELECT $1, integration.record_batch($1), %3$L, integration.row_key(gone.body, $4)
                FROM gone
                WHERE $4 IS NOT null
            )

            SELECT count(*) FROM gone
            $delete$,
            forgettable.relation, forgettable.condition, forgettable.relation
        ) INTO deleted USING of_workspace, ended_before, most - total, forgettable.key_columns;
        total := total + deleted;
        EXIT WHEN total >= most;
    END LOOP;
    IF total > 0 THEN
        -- What moved before the days that are shown is one day.
        WITH before AS (
            DELETE FROM integration.history_moves AS old
            WHERE old.workspace = of_workspace AND old.day < first_day
            RETURNING old.*
        )

        INSERT INTO integration.history_moves AS moves (
            workspace, day, test_id, severity, status, bypassed, subjects, stale
        )
        SELECT
            before.workspace, first_day, before.test_id, before.severity, before.status, before.bypassed,
            sum(before.subjects), sum(before.stale)
        FROM before
        GROUP BY before.workspace, before.test_id, before.severity, before.status, before.bypassed
        HAVING sum(before.subjects) <> 0 OR sum(before.stale) <> 0
        ON CONFLICT (workspace, day, test_id, severity, status, bypassed) DO UPDATE
            SET subjects = moves.subjects + excluded.subjects, stale = moves.stale + excluded.stale;
        INSERT INTO compliance.history_kept AS known (workspace, workspace_id, kept_from)
        VALUES (
            of_workspace,
            (SELECT named.workspace_id FROM staging.workspaces AS named WHERE named.workspace = of_workspace),
            ended_before
        )
        ON CONFLICT (workspace) DO UPDATE
        SET kept_from = greatest(known.kept_from, excluded.kept_from), forgotten_at = clock_timestamp();
    END IF;
    RETURN total;
END
$forget$;

GRANT EXECUTE ON FUNCTION integration.forget_history(text, timestamptz, integer) TO compliance_pipeline;
