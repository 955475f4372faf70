"""Bitbucket workspace level MFA should be enforced."""

from include.security_tests.model import Reason, SecurityTest

TEST = SecurityTest(
    test_id="workspace_mfa_enforced",
    title="Bitbucket workspace level MFA should be enforced",
    severity="critical",
    subject_type="workspace",
    order=3,
    description="Accepted, unexpired evidence shows that the workspace requires two-step verification.",
    bases={"evidence": ("workspace",)},
    reasons={
        "evidence_accepted": Reason("passing"),
        "evidence_missing": Reason(
            "pending",
            "Capture the authentication policy that requires two-step verification at admin.atlassian.com "
            "(Security → Authentication policies) and submit it as evidence.",
        ),
        "evidence_expired": Reason("pending", "The evidence is past its validity: capture it again."),
    },
    manual=True,
)
