"""What a security test is: data beside its verdict, in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Status = Literal["passing", "failing", "pending", "error", "not_applicable"]
SubjectType = Literal["repository", "member", "workspace"]


@dataclass(frozen=True)
class Reason:
    """One reason code: the status it stands for, and what a person does next (None: nothing)."""

    status: Status
    remediation: str | None = None


@dataclass(frozen=True)
class SecurityTest:
    """One test of the catalogue.

    Attributes:
        test_id: folder, task and column value.
        title: as people know it.
        severity: the default; the policy may say otherwise.
        subject_type: what gets a verdict each.
        order: place in listings.
        description: what is asked, in one sentence.
        bases: by basis, the resources of staging.coverage a verdict on it rests on.
        reasons: every reason code the verdict can give.
        manual: whether the verdict rests on evidence people upload.
        verdict: ``verdict.sql`` in the folder, or ``verdict.py`` with a function ``judge``.
    """

    test_id: str
    title: str
    severity: Literal["critical", "high", "medium"]
    subject_type: SubjectType
    order: int
    description: str
    bases: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, Reason]
    manual: bool = False
    verdict: Literal["verdict.sql", "verdict.py"] = "verdict.sql"


# Reasons that tests of repositories share.
SCOPE_MISSING = Reason(
    "pending",
    "Grant the connection the scope named in the reason (opt in to repository:admin on the OAuth consumer), "
    "or submit accepted evidence.",
)
PERMISSION_MISSING = Reason(
    "pending",
    "Give the connection's identity admin rights on this repository (Repository settings → Repository permissions), "
    "or submit accepted evidence.",
)
EXTRACT_FAILED = Reason(
    "error",
    "Run again; if the call keeps failing, open the repository in Bitbucket with the connection's identity "
    "and look at the call named in the reason.",
)
NOT_READ_YET = Reason(
    "pending",
    "Wait for the next run: the hour's requests were used up. Where it stays so, the workspace is too large for its "
    "budget; compliance.runs.plan says by how much.",
)
NON_PRODUCTION = Reason("not_applicable")
NO_MAIN_BRANCH = Reason("not_applicable")
