"""What a security test is: data beside its verdict, in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bitbucket_compliance.policy.model import Severity, Threshold

Status = Literal["passing", "failing", "pending", "error", "not_applicable"]
Basis = Literal["configuration", "behaviour", "evidence", "registry"]
SubjectType = Literal["repository", "member", "workspace"]


@dataclass(frozen=True)
class ApiCall:
    """A call of Bitbucket's API that would mend something: shown to people, never executed.

    Attributes:
        method, path: as in the official API document, below ``/2.0``; ``{workspace}`` and ``{repo_slug}`` in the path
            and ``{main_branch}`` and the policy's thresholds in the body are for a person to fill in.
        body: JSON.
    """

    method: Literal["POST", "PUT"]
    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Reason:
    """One reason code, and what follows from it.

    Attributes:
        status: what a subject is for this reason.
        basis: what the verdict rests on; None where nothing decided.
        meaning: in a sentence, for somebody who sees the code alone.
        remediation: what a person does next, the steps in Bitbucket's pages first; None: nothing.
        api_calls: what would do the same by the API.
    """

    status: Status
    basis: Basis | None
    meaning: str
    remediation: str | None = None
    api_calls: tuple[ApiCall, ...] = ()


@dataclass(frozen=True)
class Framework:
    """A framework with its edition, and the document that its mapping rests on."""

    name: str
    source: str


SOC_2 = Framework("SOC 2", "AICPA, 2017 Trust Services Criteria with revised points of focus (2022), TSP section 100")
ISO_27001 = Framework("ISO 27001:2022", "ISO/IEC 27001:2022, annex A")
CIS_SSC = Framework("CIS Software Supply Chain 1.0", "CIS Software Supply Chain Security Guide v1.0")
OSPS = Framework("OSPS Baseline", "OpenSSF Open Source Project Security Baseline")
SSDF = Framework("NIST SSDF", "NIST SP 800-218 v1.1, as mapped by the OpenSSF OSPS Baseline")


@dataclass(frozen=True)
class Control:
    """A control that the test gives evidence for.

    Attributes:
        framework: whose control it is.
        control: its number there.
        strength: ``primary`` where the control asks for this, ``supporting`` where this is a part of what it asks for.
        note: where the control asks for more or other than the test sees.
    """

    framework: Framework
    control: str
    strength: Literal["primary", "supporting"] = "primary"
    note: str | None = None


def controls(framework: Framework, *numbers: str) -> tuple[Control, ...]:
    """Primary controls of one framework."""
    return tuple(Control(framework, number) for number in numbers)


# The resources that list subjects; all others are asked of one subject each.
LISTINGS = frozenset({"repositories", "members", "workspace"})


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
        rationale: why it is asked, for the documentation; Markdown.
        how_decided: how a verdict is reached, a paragraph each; Markdown.
        bases: by basis, the resources of staging.coverage a verdict on it rests on.
        reasons: every reason code the verdict can give.
        controls: of frameworks, that the test gives evidence for.
        cannot_see: what an auditor must not take the verdict for, in sentences.
        thresholds: of the policy, that the verdict depends on, by name.
        own_thresholds: those among them that no other test reads, with their defaults.
        enabled: the default; the policy may say otherwise.
        manual: whether the verdict rests on evidence people upload.
        verdict: ``verdict.sql`` in the folder, one SELECT of the columns of ``verdicts.Verdict``; or ``verdict.py``,
            whose function ``judge`` takes ``Tables`` and returns a frame of these columns.
    """

    test_id: str
    title: str
    severity: Severity
    subject_type: SubjectType
    order: int
    description: str
    rationale: str
    how_decided: tuple[str, ...]
    bases: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, Reason]
    controls: tuple[Control, ...]
    cannot_see: tuple[str, ...]
    thresholds: tuple[str, ...] = ()
    own_thresholds: tuple[Threshold, ...] = ()
    enabled: bool = True
    manual: bool = False
    verdict: Literal["verdict.sql", "verdict.py"] = "verdict.sql"

    @property
    def path(self) -> Path:
        """The file of the verdict."""
        return Path(__file__).parent / self.test_id / self.verdict

    @property
    def reads_listings_alone(self) -> bool:
        """Whether a verdict is as old as the listing of its subjects, for nothing below it was asked for."""
        return {name for names in self.bases.values() for name in names} <= LISTINGS


def restriction(kind: str, **more: Any) -> ApiCall:
    """Add a branch restriction to the main branch."""
    body = {"kind": kind, "branch_match_kind": "glob", "pattern": "{main_branch}", **more}
    return ApiCall("POST", "/repositories/{workspace}/{repo_slug}/branch-restrictions", body)


# Reasons that tests of repositories share.
SCOPE_MISSING = Reason(
    "pending",
    None,
    "The connection was not granted the scope that reading takes, and nothing else decides.",
    "Grant the connection the scope named in the reason (opt in to repository:admin on the OAuth consumer), "
    "or submit accepted evidence.",
)
PERMISSION_MISSING = Reason(
    "pending",
    None,
    "The connection's identity lacks rights on this repository, and nothing else decides.",
    "Give the connection's identity admin rights on this repository (Repository settings → Repository permissions), "
    "or submit accepted evidence.",
)
EXTRACT_FAILED = Reason(
    "error",
    None,
    "A call that the verdict needs failed in this run, after all retries; the reason names it.",
    "Run again; if the call keeps failing, open the repository in Bitbucket with the connection's identity "
    "and look at the call named in the reason.",
)
NOT_READ_YET = Reason(
    "pending",
    None,
    "The repository was never read, or too long ago, because the hour's requests were used up.",
    "Wait for the next run: the hour's requests were used up. Where it stays so, the workspace is too large for its "
    "budget; compliance.runs.plan says by how much.",
)
NON_PRODUCTION = Reason("not_applicable", "registry", "The repository is declared non-production.")
NO_MAIN_BRANCH = Reason("not_applicable", None, "The repository has no main branch: there is nothing to protect.")
