-- Purpose: what was decided about each member's access, with what the reviewer saw, and which reviews were signed off.

CREATE VIEW compliance.access_review_history AS
SELECT
    reviews.workspace,
    reviews.decision AS kind,
    reviews.member_id AS subject,
    reviews.reviewed_at AS happened_at,
    reviews.reviewed_by::text AS who,
    lag(
        jsonb_build_object(
            'decision', reviews.decision,
            'role', reviews.role,
            'matched_by', reviews.matched_by,
            'hr_status', reviews.hr_status,
            'hr_end_date', reviews.hr_end_date
        )
    ) OVER one_member AS before,
    jsonb_build_object(
        'decision', reviews.decision,
        'role', reviews.role,
        'matched_by', reviews.matched_by,
        'hr_status', reviews.hr_status,
        'hr_end_date', reviews.hr_end_date,
        'display_name', reviews.display_name,
        'last_accessed', reviews.last_accessed,
        'data_as_of', reviews.data_as_of
    ) AS after,
    reviews.reason,
    'review ' || reviews.review_id AS entry_id
FROM registry.access_reviews AS reviews
WINDOW one_member AS (PARTITION BY reviews.workspace, reviews.member_id ORDER BY reviews.review_id)
UNION ALL
SELECT
    sign_offs.workspace,
    'signed_off' AS kind,
    'review of all members' AS subject,
    sign_offs.signed_off_at AS happened_at,
    sign_offs.signed_off_by::text AS who,
    null AS before,
    jsonb_build_object(
        'members', sign_offs.members, 'kept', sign_offs.kept, 'revoked', sign_offs.revoked
    ) AS after,
    sign_offs.note AS reason,
    'sign-off ' || sign_offs.sign_off_id AS entry_id
FROM registry.access_review_sign_offs AS sign_offs;

COMMENT ON COLUMN compliance.access_review_history.workspace IS 'Workspace slug.';
COMMENT ON COLUMN compliance.access_review_history.kind IS
'keep, revoke, or signed_off: a decision stood on every member.';
COMMENT ON COLUMN compliance.access_review_history.subject IS
'The member, Bitbucket''s uuid with braces; of a sign-off "review of all members".';
COMMENT ON COLUMN compliance.access_review_history.happened_at IS 'When, by the server''s clock.';
COMMENT ON COLUMN compliance.access_review_history.who IS 'Who decided or signed off, as airflow:login.';
COMMENT ON COLUMN compliance.access_review_history.before IS
'The decision before, with what its reviewer saw (jsonb); null: there was none.';
COMMENT ON COLUMN compliance.access_review_history.after IS
'The decision with what its reviewer saw, employment included (jsonb); of a sign-off how many members were kept and revoked.';
COMMENT ON COLUMN compliance.access_review_history.reason IS 'Why; null: nothing was said.';
COMMENT ON COLUMN compliance.access_review_history.entry_id IS
'Names the row: what happened, and the id of what it happened to.';

GRANT SELECT ON compliance.access_review_history TO compliance_pipeline, compliance_people_reader;
