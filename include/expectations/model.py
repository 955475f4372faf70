"""One expectation as data: what is looked at, what must hold, how bad it is when it doesn't, and the way out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from include.policy.model import Numbers

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Expectation:
    """A Great Expectations expectation over one view of schema ``quality``.

    Attributes:
        view: the view, which shows one workspace and run.
        kind: class name in ``great_expectations.expectations``.
        description: what must hold, in words a person understands; unique within a gate.
        severity: ``critical`` stops publication, ``warning`` is recorded.
        arguments: of the expectation.
        way_out: what a person does when it fails.
    """

    view: str
    kind: str
    description: str
    severity: Severity
    arguments: Mapping[str, Any] = field(default_factory=dict)
    way_out: str = "look at the rows of this view in schema quality, and at the extract tasks' logs"


def keyed(view: str, column: str, what: str) -> tuple[Expectation, Expectation]:
    """A key that is there and unique."""
    return (
        Expectation(
            view,
            "ExpectColumnValuesToNotBeNull",
            f"every {what} has its {column}",
            "critical",
            {"column": column},
        ),
        Expectation(view, "ExpectColumnValuesToBeUnique", f"no {what} stands twice", "critical", {"column": column}),
    )


def known(view: str, column: str, what: str, values: tuple[str, ...]) -> Expectation:
    """An open enum: a value nobody knows yet is worth a warning, never a stop."""
    return Expectation(
        view,
        "ExpectColumnValuesToBeInSet",
        f"every {what} is one the pipeline knows",
        "warning",
        {"column": column, "value_set": list(values)},
        way_out="a new kind appeared in Bitbucket: check whether a rule should know it",
    )


def no_rows(view: str, what: str, severity: Severity, way_out: str) -> Expectation:
    """A view that shows anomalies has to be empty."""
    return Expectation(
        view,
        "UnexpectedRowsExpectation",
        what,
        severity,
        {"unexpected_rows_query": "SELECT * FROM {batch}"},
        way_out,
    )


__all__ = ["Expectation", "Numbers", "keyed", "known", "no_rows"]
