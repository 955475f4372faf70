-- Purpose: the sequences of the identity columns that a backup holds, and the last number that each gave (null: none).

SELECT
    sequences.schemaname || '.' || sequences.sequencename AS sequence,
    sequences.last_value
FROM pg_sequences AS sequences
INNER JOIN pg_depend AS owned
    ON
        owned.classid = 'pg_class'::regclass
        AND owned.objid = format('%%I.%%I', sequences.schemaname, sequences.sequencename)::regclass
        AND owned.refclassid = 'pg_class'::regclass
        AND owned.deptype = 'i'
INNER JOIN pg_class AS tables ON owned.refobjid = tables.oid
WHERE
    tables.relnamespace::regnamespace::text
    IN ('landing', 'staging', 'judged', 'registry', 'integration', 'quality', 'compliance')
    AND tables.relnamespace::regnamespace::text || '.' || tables.relname <> all(%(left_out)s::text[])
ORDER BY sequence;
