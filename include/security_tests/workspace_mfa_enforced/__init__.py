"""Bitbucket workspace level MFA should be enforced."""

from include.security_tests.model import CIS_SSC, ISO_27001, OSPS, SOC_2, SSDF, Reason, SecurityTest, controls

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
    controls=(
        *controls(SOC_2, "CC6.1", "CC6.6"),
        *controls(ISO_27001, "A.8.5", "A.5.17"),
        *controls(CIS_SSC, "1.3.5"),
        *controls(OSPS, "OSPS-AC-01"),
        *controls(SSDF, "PO.3.2", "PS.1"),
    ),
    cannot_see=(
        "The setting itself: no public endpoint shows it. Somebody captures it, and somebody else accepts the capture.",
        "What changed since the day of capture.",
    ),
    manual=True,
)
