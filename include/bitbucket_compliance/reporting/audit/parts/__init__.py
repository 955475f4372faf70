"""The parts of an audit package that are tables: one entry here and one file ``<name>.sql`` beside it each.

A query gets ``workspace``, ``first_day``, ``last_day`` (days, UTC), ``starts_at``, ``ends_at`` (instants; the
period ends before the second), and ``framework`` (null: all). Its columns become those of ``data/<name>.csv``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True)
class Recorded:
    """Which rows of the record a part shows: ``verify.py`` compares both, column by column where names are the same.

    Attributes:
        relation: the recorded table.
        key: columns of the part that are its key in the record.
        starts, ends: columns of the table between which a row belongs to a period; no ``ends``: from ``starts`` on.
        chains: of which chains: ``workspace``, ``shared`` (rows that belong to no workspace), or both.
    """

    relation: str
    key: tuple[str, ...]
    starts: str
    ends: str | None = None
    chains: tuple[str, ...] = ("workspace",)


@dataclass(frozen=True)
class Part:
    """One table of the package.

    Attributes:
        name: of its query and of its file.
        title: what it holds, as a reader says it.
        describes: the published table or view whose columns' comments describe those of the same name.
        columns: what the other columns mean.
        persons: columns whose value is a person's name in free form; known names, addresses, logins and ids of accounts
            are found in every column.
        recorded: where it shows rows of the record.
        names_people: whether it makes no sense, or tells of employment, without naming persons: a package without
            them leaves it out.
    """

    name: str
    title: str
    describes: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    persons: tuple[str, ...] = ()
    recorded: Recorded | None = None
    names_people: bool = False

    @property
    def query(self) -> bytes:
        """The text of its query, without the semicolon."""
        return FOLDER.joinpath(f"{self.name}.sql").read_bytes().strip().rstrip(b";")


PARTS: Final = (
    Part(
        "controls",
        "Controls over the period",
        columns={
            "framework": "Framework with its edition.",
            "control": "Control as the framework numbers it.",
            "control_title": "As the framework words it.",
            "tests": "Tests that give evidence for it, as a JSON array.",
            "strength": "primary: it asks for just what a test sees; supporting: it asks for more, see mapping.csv.",
            "state": "operated, operated with exceptions, did not operate, or not observed.",
            "days": "Days of the period, UTC.",
            "days_observed": "Days on which a whole run was published that decided something on fresh data.",
            "days_not_observed": "The other days.",
            "days_with_failures": "Days on which something failed or was found.",
            "days_with_undecided": "Days on which something could not be decided.",
            "most_subjects": "Subjects on the day that had most of them.",
            "findings_opened": "Failures found in the period.",
            "fixed_in_time": "Failures mended in the period by their due date.",
            "fixed_late": "Failures mended in the period after it.",
            "ended_otherwise": "Failures that ended since their subject is gone or out of scope.",
            "open_at_end": "Failures open at the end of the period.",
            "overdue_at_end": "Of these, past their due date and accepted by nobody.",
            "accepted_at_end": "Of these, whose risk somebody accepted.",
            "changes": "Changes of the period that its tests apply to; empty: they look at no changes.",
            "changes_against": "Of these, how many went against it.",
            "changes_unknown": "Of these, of how many it is not known.",
        },
    ),
    Part(
        "mapping",
        "Tests and the controls they give evidence for",
        "compliance.test_controls",
        {"test_title": "Title of the test."},
    ),
    Part(
        "findings",
        "Failures that were there on a day of the period",
        "compliance.findings",
        persons=("ended_by",),
        recorded=Recorded("compliance.finding_records", ("finding_id",), "found_at", "ended_at"),
    ),
    Part(
        "results",
        "Results of the tests, each as long as it stood unchanged",
        "compliance.result_history",
        recorded=Recorded(
            "compliance.result_history", ("test_id", "subject_id", "valid_from"), "valid_from", "valid_to"
        ),
    ),
    Part(
        "changes",
        "Changes of main branches",
        "compliance.changes",
        {
            "sample_key": "What samples are drawn by: repository#number, of a push repository@hash.",
            "row_digest": "Digest of the row in the record, SHA-256, hex.",
        },
        recorded=Recorded("compliance.changes", ("repository_id", "kind", "change_key"), "merged_on", "merged_on"),
    ),
    Part(
        "completeness",
        "How whole each population is on each day",
        columns={
            "day": "Day of the period, UTC.",
            "population": "repositories, members, pull_requests, direct_pushes or leavers.",
            "is_whole": "Whether all that there was is shown to be there.",
            "not_whole_because": "Why not, as an array.",
            "run_id": "The last whole run of the day; empty: none was published on it.",
            "counted_at": "When it counted.",
            "said": "How many Bitbucket, or the roster, said there are; empty: neither did.",
            "read": "How many the run knows of.",
            "in_table": "How many stand in the table after it was published.",
            "shown_whole_by": "size or last_page: how Bitbucket showed that there is no more.",
            "differences": "What was read and is not in the table, or the reverse, with the reason.",
            "unexplained": "Of these, how many without a reason.",
            "reaches_back_to": "From when on changes are in the population.",
            "scopes_granted": "Scopes of the connection in that run.",
            "identity_role": "Role of the connection's identity.",
            "subjects_in_error": "Subjects of which something could not be collected at the end of the day.",
            "subjects_without_permission": "Subjects of which something may not be read.",
        },
    ),
    Part("joiners", "Who became a member", "compliance.joiners"),
    Part("leavers", "Who left, and what became of their access", "compliance.leavers", names_people=True),
    Part(
        "members",
        "Who was a member",
        "compliance.member_history",
        recorded=Recorded("compliance.member_history", ("member_id", "valid_from"), "valid_from", "valid_to"),
    ),
    Part("access_review_history", "Reviews of access", "compliance.access_review_history", names_people=True),
    Part(
        "classification_history",
        "How repositories were classified",
        "compliance.classification_history",
    ),
    Part("evidence_history", "Decisions about evidence", "compliance.evidence_history", persons=("subject",)),
    Part("exception_history", "Decisions about accepted risks", "compliance.exception_history"),
    Part("policy_history", "Changes of the policy", "compliance.policy_history"),
    Part(
        "exceptions",
        "Risks that somebody accepted, or was asked to accept",
        "compliance.exceptions",
        recorded=Recorded("registry.exceptions", ("exception_id",), "requested_at"),
    ),
    Part("exception_subjects", "Failures that an exception was accepted for", "compliance.exception_subjects"),
    Part(
        "evidence",
        "Evidence that was handed in",
        "compliance.evidence",
        persons=("file_name", "note"),
        recorded=Recorded("registry.evidence", ("evidence_id",), "submitted_at", chains=("workspace", "shared")),
    ),
    Part("runs", "Runs of the period", "compliance.runs"),
    Part(
        "policies",
        "Versions of the policy",
        "compliance.policies",
        {"body": "The policy: tests, thresholds, evidence.", "first_used_at": "When a run used it first."},
        recorded=Recorded("registry.policy_versions", ("policy_version",), "first_used_at", chains=("shared",)),
    ),
    Part("repositories", "Repositories as they were read last", "compliance.repositories", persons=("owner",)),
    Part(
        "links",
        "Links of the chains of the record",
        "compliance.record_links",
        {
            "chain": "workspace: its own; shared: that of what belongs to no workspace, such as policies.",
            "sealed_at": "When it was sealed, UTC, to the microsecond, as its digest holds it.",
        },
    ),
)
