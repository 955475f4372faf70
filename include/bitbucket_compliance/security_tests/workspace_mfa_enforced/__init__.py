"""Bitbucket workspace level MFA should be enforced."""

from bitbucket_compliance.security_tests.frameworks import TWO_STEP_VERIFICATION
from bitbucket_compliance.security_tests.model import Reason, SecurityTest

TEST = SecurityTest(
    test_id="workspace_mfa_enforced",
    title="Bitbucket workspace level MFA should be enforced",
    severity="critical",
    subject_type="workspace",
    order=3,
    description="Accepted, unexpired evidence shows that the workspace requires two-step verification.",
    rationale=(
        "If every member uses two-step verification today, that says nothing about who joins tomorrow. A policy that "
        "requires it does."
    ),
    how_decided=(
        "Decides: accepted evidence within its validity about the workspace, such as a picture of the authentication "
        "policy at admin.atlassian.com. An export that lists members proves what each member did, not that anything "
        "requires it, and never decides here.",
    ),
    bases={"evidence": ("workspace",)},
    reasons={
        "evidence_accepted": Reason(
            "passing", "evidence", "Accepted evidence within its validity shows that two-step verification is required."
        ),
        "evidence_missing": Reason(
            "pending",
            None,
            "No accepted evidence shows that two-step verification is required.",
            "Open admin.atlassian.com, Security → Authentication policies, capture the policy that requires "
            "two-step verification, and hand the picture in under Evidence in the console.",
        ),
        "evidence_expired": Reason(
            "pending",
            None,
            "The newest accepted evidence is past its validity.",
            "Capture the policy again at admin.atlassian.com, Security → Authentication policies, and hand the picture "
            "in under Evidence in the console.",
        ),
    },
    controls=TWO_STEP_VERIFICATION,
    cannot_see=(
        "The setting itself: no public endpoint shows it. Somebody captures it, and somebody else accepts the capture.",
        "What changed since the day of capture.",
    ),
    thresholds=("evidence_validity_days", "time_zone"),
    manual=True,
)
