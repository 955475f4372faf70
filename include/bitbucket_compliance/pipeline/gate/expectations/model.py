"""One expectation as data: what is looked at, what must hold, what follows when it doesn't, and what to do then.

What follows is the severity. ``critical`` stops publication: it may concern everything, as a listing that shrank does.
``holds_back`` turns the verdicts on what broke the rule into ``error`` and lets all others be published. ``warning`` is
recorded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bitbucket_compliance.policy.model import Thresholds

Severity = Literal["critical", "holds_back", "warning"]

LOOK_AT_EXTRACT = "look at the rows of this view in schema quality, and at the extract tasks' logs"
STAGE_AGAIN = (
    "clear the task stage_landing of this run; if the rows stay, landing.objects shows what Bitbucket answered"
)


@dataclass(frozen=True)
class HeldBack:
    """Which verdicts can't be relied on where a rule about staging is broken.

    Attributes:
        subject: SQL over the rows that broke the rule: the id of the subject; empty text stands for all of them.
        resource: SQL over the same rows: the resource whose verdicts these are; empty text stands for all of them.
    """

    subject: str
    resource: str


@dataclass(frozen=True)
class Expectation:
    """A Great Expectations expectation over one view of schema ``quality``.

    Attributes:
        view: the view, which shows one workspace and run; of a table of ``staging`` it carries the table's name.
        kind: class name in ``great_expectations.expectations``.
        description: what must hold, in words a person understands; unique within a gate.
        severity: what follows when it does not hold.
        arguments: of the expectation.
        hint: what a person does when it fails.
        subject: columns of the view that name a row to a person, for expectations on single columns. Ids and slugs,
            never addresses or names of people: they are printed and kept.
        rows_from: for expectations on a figure, the view whose rows make it up.
        held_back: of a rule about staging that holds back; rows of one about verdicts name test and subject themselves.
    """

    view: str
    kind: str
    description: str
    severity: Severity
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hint: str = LOOK_AT_EXTRACT
    subject: tuple[str, ...] = ()
    rows_from: str | None = None
    held_back: HeldBack | None = None

    @property
    def broken_rows(self) -> str:
        """The query for all rows that break a rule of the kind ``UnexpectedRowsExpectation``."""
        query: str = self.arguments["unexpected_rows_query"]
        return query.replace("{batch}", f"quality.{self.view}")


def keyed(
    view: str, column: str, what: str, subject: tuple[str, ...] = (), hint: str = STAGE_AGAIN
) -> tuple[Expectation, Expectation]:
    """A key that is there and unique; ``subject`` names the rows where the key itself does not."""
    about = {"column": column}
    return (
        Expectation(
            view,
            "ExpectColumnValuesToNotBeNull",
            f"every {what} has its {column}",
            "critical",
            about,
            hint,
            subject,
        ),
        Expectation(view, "ExpectColumnValuesToBeUnique", f"no {what} stands twice", "critical", about, hint, subject),
    )


def known(view: str, column: str, what: str, values: tuple[str, ...], subject: tuple[str, ...]) -> Expectation:
    """An open enum: a value nobody knows yet is worth a warning, never a stop."""
    return Expectation(
        view,
        "ExpectColumnValuesToBeInSet",
        f"every {what} is one the pipeline knows",
        "warning",
        {"column": column, "value_set": list(values)},
        hint="a new kind appeared in Bitbucket: check whether a rule should know it",
        subject=subject,
    )


def no_rows(view: str, what: str, severity: Severity, hint: str, query: str = "SELECT * FROM {batch}") -> Expectation:
    """What a query over the view finds breaks the rule; a view that shows anomalies alone has to be empty.

    Args:
        query: constant SQL that selects what names the row and what is wrong with it.
    """
    return Expectation(view, "UnexpectedRowsExpectation", what, severity, {"unexpected_rows_query": query}, hint)


def below(resource: str, view: str, what: str, hint: str, query: str = "SELECT * FROM {batch}") -> Expectation:
    """What breaks the rule was read of one repository: the verdicts that rest on the resource are held back.

    Args:
        query: as for ``no_rows``; it gives ``repository_id``.
    """
    return held(HeldBack("repository_id", f"'{resource}'"), view, what, hint, query)


def held(held_back: HeldBack, view: str, what: str, hint: str, query: str = "SELECT * FROM {batch}") -> Expectation:
    """As ``no_rows``, for what makes single verdicts unreliable."""
    return replace(no_rows(view, what, "holds_back", hint, query), held_back=held_back)


__all__ = [
    "LOOK_AT_EXTRACT",
    "STAGE_AGAIN",
    "Expectation",
    "HeldBack",
    "Thresholds",
    "below",
    "held",
    "keyed",
    "known",
    "no_rows",
]
