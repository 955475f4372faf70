-- Purpose: every roster that was ever in force: its name, from where, by whom, from when until when. One that came into
-- force again, because what followed it was taken back, has a row for each time. Its people are in registry.people.

CREATE VIEW registry.roster_history AS
WITH rosters AS (
    SELECT
        imports.*,
        -- A clock that was set back must not open two at a time.
        max(imports.imported_at) OVER (
            PARTITION BY imports.roster_name ORDER BY imports.import_id
        ) AS effective_at
    FROM registry.imports AS imports
    WHERE imports.kind = 'roster'
),

lives AS (
    SELECT
        rosters.roster_name,
        rosters.import_id,
        rosters.effective_at,
        CASE
            WHEN withdrawals.taken_back_at IS NOT null THEN greatest(withdrawals.taken_back_at, rosters.effective_at)
        END AS ended_at
    FROM rosters
    LEFT JOIN registry.import_withdrawals AS withdrawals ON rosters.import_id = withdrawals.import_id
),

-- what changed which roster counts: an import, and that one was taken back; in this order at one instant
changes AS (
    SELECT
        lives.roster_name,
        lives.effective_at AS changed_at,
        false AS is_end,
        lives.import_id
    FROM lives
    UNION ALL
    SELECT
        lives.roster_name,
        lives.ended_at AS changed_at,
        true AS is_end,
        lives.import_id
    FROM lives
    WHERE lives.ended_at IS NOT null
),

states AS (
    SELECT
        changes.roster_name,
        changes.changed_at,
        changes.is_end,
        changes.import_id AS changed_by,
        (
            SELECT max(lives.import_id)
            FROM lives
            WHERE
                lives.roster_name = changes.roster_name
                AND lives.effective_at <= changes.changed_at
                AND (changes.is_end OR lives.import_id <= changes.import_id)
                AND (lives.ended_at IS null OR lives.ended_at > changes.changed_at)
        ) AS import_id
    FROM changes
),

turns AS (
    SELECT
        states.*,
        lag(states.import_id) OVER in_order AS import_before
    FROM states
    WINDOW in_order AS (
        PARTITION BY states.roster_name
        ORDER BY states.changed_at, states.is_end, states.changed_by
    )
),

periods AS (
    SELECT
        turns.roster_name,
        turns.import_id,
        turns.changed_at AS valid_from,
        lead(turns.changed_at) OVER in_order AS valid_to
    FROM turns
    WHERE turns.import_id IS DISTINCT FROM turns.import_before
    WINDOW in_order AS (
        PARTITION BY turns.roster_name
        ORDER BY turns.changed_at, turns.is_end, turns.changed_by
    )
)

SELECT
    rosters.import_id,
    rosters.source,
    rosters.file_name,
    rosters.file_sha256,
    rosters.row_count AS rows,
    rosters.imported_by,
    rosters.imported_at,
    periods.valid_from,
    periods.valid_to,
    periods.valid_to IS null AS is_current,
    rosters.roster_name
FROM periods
INNER JOIN rosters ON periods.import_id = rosters.import_id;

GRANT SELECT ON registry.roster_history TO compliance_pipeline, compliance_console;
