"""The columns that the tables (CSV and Parquet) share: what the export is of, then those of ``current_results``."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from bitbucket_compliance.reporting.exports.model import State, Verdict

_OF_STATE: Final = ("as_of", "as_of_run")
_OF_VERDICT: Final = tuple(field.name for field in fields(Verdict))
COLUMNS: Final = (*_OF_STATE, *_OF_VERDICT)

_values = attrgetter(*_OF_VERDICT)


def row(state: State, verdict: Verdict) -> tuple[Any, ...]:
    """The values of one row, in the order of ``COLUMNS``."""
    return (state.as_of, state.run_id, *_values(verdict))
