"""What a security test is: data beside its verdict, in a folder of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bitbucket_compliance.policy.model import Severity, Threshold
from bitbucket_compliance.security_tests.frameworks import Control

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
class MergeRule:
    """What a test wants to be required before a merge.

    Attributes:
        kinds: of branch restrictions that require it.
        checks: regular expression of the kinds of merge check that do, as Python and Postgres read it.
        at_least: name of the policy's threshold that the number they ask for must reach.
        by_default_reviewers: the kinds among both that nobody but default reviewers can satisfy.
    """

    kinds: tuple[str, ...]
    checks: str
    at_least: str
    by_default_reviewers: tuple[str, ...] = ()


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


#: What the pipeline may say in the place of any test's own verdict.
OF_EVERY_TEST: Mapping[str, Reason] = {
    "held_back": Reason(
        "error",
        None,
        "A quality gate found the data of this verdict, or the verdict itself, to be wrong. The reason says what "
        "should hold.",
        "Open the Data Docs of the gate on the run's page (compliance.runs.data_docs), or see "
        "quality.expectation_results: there are the rows that broke the rule, and what to do. Then run again.",
    ),
}

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
        reasons: every reason code the verdict can give; see ``every_reason`` for those that the pipeline adds.
        controls: of frameworks, that the test gives evidence for.
        cannot_see: what an auditor must not take the verdict for, in sentences.
        also_reads: resources that are asked for where those of the configuration don't decide by themselves.
        merge_rule: what is to be required before a merge; None: the test is not about merging.
        events: of webhooks that the verdict rests on by themselves, not by what they let read.
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
    also_reads: tuple[str, ...] = ()
    merge_rule: MergeRule | None = None
    events: tuple[str, ...] = ()
    thresholds: tuple[str, ...] = ()
    own_thresholds: tuple[Threshold, ...] = ()
    enabled: bool = True
    manual: bool = False
    verdict: Literal["verdict.sql", "verdict.py"] = "verdict.sql"

    @property
    def every_reason(self) -> Mapping[str, Reason]:
        """The reason codes of the verdict, and those that the pipeline may put in their place."""
        return {**self.reasons, **OF_EVERY_TEST}

    @property
    def path(self) -> Path:
        """The file of the verdict."""
        return Path(__file__).parent / self.test_id / self.verdict

    @property
    def resources(self) -> frozenset[str]:
        """Names of all resources that a verdict may rest on."""
        return frozenset(name for names in self.bases.values() for name in names) | frozenset(self.also_reads)

    @property
    def reads_listings_alone(self) -> bool:
        """Whether a verdict is as old as the listing of its subjects, for nothing below it was asked for."""
        return self.resources <= LISTINGS
