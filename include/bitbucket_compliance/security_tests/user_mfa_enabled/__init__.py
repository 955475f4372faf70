"""Bitbucket user should have MFA enabled."""

from bitbucket_compliance.security_tests.frameworks import TWO_STEP_VERIFICATION
from bitbucket_compliance.security_tests.model import Reason, SecurityTest
from bitbucket_compliance.security_tests.reasons import OF_MEMBERS

TEST = SecurityTest(
    test_id="user_mfa_enabled",
    title="Bitbucket user should have MFA enabled",
    severity="critical",
    subject_type="member",
    order=2,
    description="Accepted, unexpired evidence shows two-step verification for every person in the workspace.",
    rationale=(
        "A password alone is the commonest way into a code host. Bitbucket's interface does not say reliably who "
        "uses two-step verification: its own field `has_2fa_enabled` is neither asked for nor believed."
    ),
    how_decided=(
        "Decides: for each person, the newest accepted evidence within its validity that covers them. That is the "
        "export of the Atlassian admin console, whose rows are matched to members by account id or by an address that "
        "Bitbucket confirms, or an accepted picture of the report. A row says the first of these that applies: the "
        "account is deactivated, two-step verification is on, the person signs in through SAML single sign-on, it is "
        "off, it is unclear. Words of a policy, such as required or enforced, mean neither on nor off. Rows of one "
        "person that differ, and rows that point at two members, are unclear. A member who joined later, or is not in "
        "the export, is pending. For apps the test is not applicable.",
    ),
    bases={"evidence": ("members",)},
    reasons={
        "mfa_enabled": Reason(
            "passing",
            "evidence",
            "The newest accepted evidence that covers the member shows two-step verification switched on.",
        ),
        "mfa_disabled": Reason(
            "failing",
            "evidence",
            "The newest accepted export that names the member shows two-step verification switched off.",
            "Have the person switch on two-step verification (Atlassian account → Security), then export the "
            "report again and import it. No API call can do it for them.",
        ),
        "evidence_missing": Reason(
            "pending",
            None,
            "No accepted evidence covers the member.",
            "Export the two-step verification report of all members at admin.atlassian.com and import it.",
        ),
        "evidence_expired": Reason(
            "pending",
            None,
            "The evidence that covers the member is past its validity.",
            "Export the report again and import it, or capture it again and submit the picture.",
        ),
        "evidence_unclear": Reason(
            "pending",
            None,
            "The newest accepted export does not say for certain whether the member uses two-step verification.",
            "Look the person up at admin.atlassian.com, then export the report again and import it, or submit a "
            "picture that shows it.",
        ),
        "mfa_at_identity_provider": Reason(
            "pending",
            None,
            "The member signs in through SAML single sign-on: the identity provider asks for the second factor.",
            "Submit evidence for this member which shows that the identity provider's policy demands a second factor.",
        ),
        "account_deactivated": Reason(
            "not_applicable",
            "evidence",
            "The newest accepted export says that the account is deactivated: nobody can sign in with it.",
        ),
        **OF_MEMBERS,
        "app_user": Reason("not_applicable", None, "The member is an app: it has no two-step verification of its own."),
    },
    controls=TWO_STEP_VERIFICATION,
    cannot_see=(
        "What changed since the day of the export.",
        "A second factor that an identity provider asks for: Atlassian's export does not show it.",
        "App passwords, access tokens and SSH keys, which ask for no second factor.",
    ),
    thresholds=("evidence_validity_days", "domains_without_dots", "domains_without_tags", "time_zone"),
    manual=True,
    verdict="verdict.py",
)
