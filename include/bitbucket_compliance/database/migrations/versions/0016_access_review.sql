-- Purpose: who looked at whose access when, and decided what.

CREATE TABLE registry.access_reviews (
    review_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace text NOT NULL,
    member_id text NOT NULL,
    account_id text,
    display_name text,
    role text,
    matched_by text,
    needs_review boolean NOT NULL,
    last_accessed timestamptz,
    data_as_of timestamptz,
    decision text NOT NULL CHECK (decision IN ('keep', 'revoke')),
    reason text CHECK (btrim(reason) <> ''),
    reviewed_by text NOT NULL CHECK (btrim(reviewed_by) <> ''),
    reviewed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX access_reviews_by_member ON registry.access_reviews (workspace, member_id, review_id DESC);
COMMENT ON TABLE registry.access_reviews IS
'Decisions of the access review, each with what its reviewer saw of the member. Rows are added, never changed; the newest of a member stands.';
COMMENT ON COLUMN registry.access_reviews.review_id IS 'Order of the decisions.';
COMMENT ON COLUMN registry.access_reviews.workspace IS 'Workspace slug.';
COMMENT ON COLUMN registry.access_reviews.member_id IS 'Bitbucket''s uuid of the member, with braces.';
COMMENT ON COLUMN registry.access_reviews.account_id IS 'Atlassian account id, as it was.';
COMMENT ON COLUMN registry.access_reviews.display_name IS 'Name, as it was.';
COMMENT ON COLUMN registry.access_reviews.role IS 'Role in the workspace, as it was.';
COMMENT ON COLUMN registry.access_reviews.matched_by IS 'How the roster named the member: account_id, email, name; null: not at all.';
COMMENT ON COLUMN registry.access_reviews.needs_review IS 'Whether no row of the roster named the account by id or address.';
COMMENT ON COLUMN registry.access_reviews.last_accessed IS 'When the member was last seen, as it was known; null: Bitbucket did not tell.';
COMMENT ON COLUMN registry.access_reviews.data_as_of IS 'As of when the reviewer saw it.';
COMMENT ON COLUMN registry.access_reviews.decision IS 'keep or revoke.';
COMMENT ON COLUMN registry.access_reviews.reason IS 'Why; null: nothing was said.';
COMMENT ON COLUMN registry.access_reviews.reviewed_by IS 'Airflow login of the reviewer.';
COMMENT ON COLUMN registry.access_reviews.reviewed_at IS 'When.';

CREATE TRIGGER rows_are_never_changed
BEFORE UPDATE OR DELETE OR TRUNCATE ON registry.access_reviews
FOR EACH STATEMENT EXECUTE FUNCTION integration.refuse_change();

CREATE VIEW registry.newest_access_reviews AS
SELECT DISTINCT ON (workspace, member_id) *
FROM registry.access_reviews
ORDER BY workspace ASC, member_id ASC, review_id DESC;
COMMENT ON VIEW registry.newest_access_reviews IS 'The decision that stands for each member who was ever reviewed.';

GRANT SELECT, INSERT ON TABLE registry.access_reviews TO compliance_console;
GRANT SELECT ON registry.newest_access_reviews TO compliance_console;
