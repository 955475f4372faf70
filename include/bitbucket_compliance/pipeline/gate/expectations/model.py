"""One expectation as data: what is looked at, what must hold, how bad it is when it doesn't, and what to do then."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bitbucket_compliance.policy.model import Thresholds

Severity = Literal["critical", "warning"]

LOOK_AT_EXTRACT = "look at the rows of this view in schema quality, and at the extract tasks' logs"
HELD_BACK = "the tests that rest on it have an error for these repositories, all else is published; " + LOOK_AT_EXTRACT
STAGE_AGAIN = (
    "clear the task stage_landing of this run; if the rows stay, landing.objects shows what Bitbucket answered"
)


@dataclass(frozen=True)
class Expectation:
    """A Great Expectations expectation over one view of schema ``quality``.

    Attributes:
        view: the view, which shows one workspace and run; of a table of ``staging`` it carries the table's name.
        kind: class name in ``great_expectations.expectations``.
        description: what must hold, in words a person understands; unique within a gate.
        severity: ``critical`` stops publication, ``warning`` is recorded.
        holds: a resource: the repositories that the rows name have an error in each test that rests on it, and all else
            is published. Empty: what is wrong may concern everything, or nothing.
        arguments: of the expectation.
        hint: what a person does when it fails.
        subject: columns of the view that name a row to a person, for expectations on single columns. Ids and slugs,
            never addresses or names of people: they are printed and kept.
        rows_from: for expectations on a figure, the view whose rows make it up.
    """

    view: str
    kind: str
    description: str
    severity: Severity
    arguments: Mapping[str, Any] = field(default_factory=dict)
    hint: str = LOOK_AT_EXTRACT
    subject: tuple[str, ...] = ()
    rows_from: str | None = None
    holds: str = ""


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


def one_of(
    view: str, column: str, what: str, values: tuple[str, ...], subject: tuple[str, ...], hint: str
) -> Expectation:
    """A closed enum of our own: another value is a mistake in the pipeline."""
    return Expectation(
        view,
        "ExpectColumnValuesToBeInSet",
        what,
        "critical",
        {"column": column, "value_set": list(values)},
        hint,
        subject,
    )


def no_rows(
    view: str, what: str, severity: Severity, hint: str, query: str = "SELECT * FROM {batch}", *, holds: str = ""
) -> Expectation:
    """What a query over the view finds breaks the rule; a view that shows anomalies alone has to be empty.

    Args:
        query: constant SQL that selects what names the row and what is wrong with it.
        holds: see ``Expectation``; the query's rows name a ``repository_id`` then.
    """
    arguments = {"unexpected_rows_query": query}
    return Expectation(view, "UnexpectedRowsExpectation", what, severity, arguments, hint, holds=holds)


__all__ = [
    "HELD_BACK",
    "LOOK_AT_EXTRACT",
    "STAGE_AGAIN",
    "Expectation",
    "Thresholds",
    "keyed",
    "known",
    "no_rows",
    "one_of",
]
