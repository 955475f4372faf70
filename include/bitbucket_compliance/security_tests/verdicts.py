"""The row that every verdict is: what a test says of one subject, in SQL and in Python alike."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pandas as pd


class Verdict(NamedTuple):
    """What one subject is told.

    Attributes:
        subject_id: Bitbucket's uuid with braces.
        reason_code: of the test's ``reasons``; status and basis follow from it.
        reason: one sentence.
        detail: what a reader may want to know besides.
        facts: those that decided and nothing else; other facts are another finding.
    """

    subject_id: str
    reason_code: str
    reason: str
    detail: dict[str, Any]
    facts: dict[str, Any]


def as_frame(verdicts: Iterable[Verdict]) -> "pd.DataFrame":
    """A row for each verdict, the columns in the order above."""
    import pandas as pd

    return pd.DataFrame(list(verdicts), columns=list(Verdict._fields), dtype=object)
