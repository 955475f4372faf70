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
        "Decides: for each person, the newest accepted evidence within its validity that covers them: the export of "
        "the Atlassian admin console, where each row that Bitbucket confirms belongs to a member, or an accepted "
        'picture of the report. One row that says "off" is enough for "off". Who joined later, or is not in the '
        "export, is pending. Apps are not applicable.",
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
        **OF_MEMBERS,
        "app_user": Reason("not_applicable", None, "The member is an app: it has no two-step verification of its own."),
    },
    controls=TWO_STEP_VERIFICATION,
    cannot_see=(
        "What changed since the day of the export.",
        "A second factor that an identity provider asks for: Atlassian's export does not show it.",
        "App passwords, access tokens and SSH keys, which ask for no second factor.",
    ),
    thresholds=("evidence_validity_days", "time_zone"),
    manual=True,
    verdict="verdict.py",
)
