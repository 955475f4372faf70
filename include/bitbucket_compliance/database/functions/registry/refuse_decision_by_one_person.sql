-- Purpose: trigger of the tables of decisions: to accept or reject takes two persons who signed in at one place, unless
-- the policy that the decision names allows one to do both. It looks when the statement is done, and so sees what the
-- same statement inserted.

CREATE FUNCTION registry.refuse_decision_by_one_person() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    others text[];
    may_be_one boolean := false;
BEGIN
    IF NEW.decision = 'withdrawn' THEN
        RETURN NEW;
    END IF;
    IF tg_table_name = 'evidence_decisions' THEN
        SELECT
            ARRAY[evidence.submitted_by::text],
            -- an export that its operator imported and vouched for in one act, where the policy lets them
            imports.imported_by = NEW.decided_by::text
            AND EXISTS (
                SELECT 1 FROM registry.policy_versions AS policies
                WHERE
                    policies.policy_version = NEW.policy_version
                    AND coalesce(policies.body #>> '{evidence,review}', 'operator') = 'operator'
            )
        INTO others, may_be_one
        FROM registry.evidence AS evidence
        LEFT JOIN registry.imports AS imports ON evidence.import_id = imports.import_id
        WHERE evidence.evidence_id = NEW.evidence_id;
    ELSIF tg_table_name = 'exception_decisions' THEN
        SELECT ARRAY[exceptions.owner::text, exceptions.requested_by::text] INTO others
        FROM registry.exceptions AS exceptions
        WHERE exceptions.exception_id = NEW.exception_id;
    ELSIF tg_table_name = 'policy_decisions' THEN
        SELECT ARRAY[overrides.set_by::text] INTO others
        FROM registry.policy_overrides AS overrides
        WHERE overrides.override_id = NEW.override_id;
    ELSE
        SELECT ARRAY[purges.requested_by::text] INTO others
        FROM registry.purges AS purges
        WHERE purges.purge_id = NEW.purge_id;
    END IF;
    IF NOT NEW.self_review THEN
        IF others IS null OR EXISTS (
            SELECT 1 FROM unnest(others) AS other (person)
            WHERE
                other.person = NEW.decided_by::text
                OR split_part(other.person, ':', 1) <> split_part(NEW.decided_by::text, ':', 1)
        ) THEN
            RAISE EXCEPTION '% can''t decide on what is of %: it takes another person, who signed in at the same place',
                NEW.decided_by, array_to_string(others, ' and ')
                USING ERRCODE = 'insufficient_privilege';
        END IF;
    ELSIF NOT (
        coalesce(may_be_one, false)
        OR EXISTS (
            SELECT 1 FROM registry.policy_versions AS policies
            WHERE
                policies.policy_version = NEW.policy_version
                AND policies.body #>> '{thresholds,allow_self_review}' = 'true'
        )
    ) THEN
        RAISE EXCEPTION 'policy % allows nobody to decide alone', NEW.policy_version
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER takes_two_persons AFTER INSERT ON registry.evidence_decisions
FOR EACH ROW EXECUTE FUNCTION registry.refuse_decision_by_one_person();

CREATE TRIGGER takes_two_persons AFTER INSERT ON registry.exception_decisions
FOR EACH ROW EXECUTE FUNCTION registry.refuse_decision_by_one_person();

CREATE TRIGGER takes_two_persons AFTER INSERT ON registry.policy_decisions
FOR EACH ROW EXECUTE FUNCTION registry.refuse_decision_by_one_person();

CREATE TRIGGER takes_two_persons AFTER INSERT ON registry.purge_decisions
FOR EACH ROW EXECUTE FUNCTION registry.refuse_decision_by_one_person();
