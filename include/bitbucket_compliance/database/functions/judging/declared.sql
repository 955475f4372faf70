-- Purpose: the part of a verdict's detail that names the classification entry or the evidence that decided; empty where
-- neither did.

CREATE FUNCTION judging.declared(reason_code text, entry text, evidence_id uuid, captured_on date) RETURNS jsonb
LANGUAGE sql STABLE
AS $declared$
    SELECT CASE reason_code
        WHEN 'non_production' THEN jsonb_build_object('entry', entry)
        WHEN 'evidence_accepted'
            THEN jsonb_build_object('evidence_id', evidence_id, 'captured_on', captured_on)
        ELSE '{}'
    END
$declared$;
