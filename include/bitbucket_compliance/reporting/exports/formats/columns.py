"""The columns of CSV and Parquet: those of the snapshot, of ``compliance.current_results``, and of accepted risks."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter
from typing import Any, Final

from bitbucket_compliance.reporting.exports.model import Snapshot, Verdict

_OF_SNAPSHOT: Final = ("as_of", "as_of_run")
_OF_VERDICT: Final = tuple(field.name for field in fields(Verdict))
COLUMNS: Final = (*_OF_SNAPSHOT, *_OF_VERDICT)

_values = attrgetter(*_OF_VERDICT)


def row(snapshot: Snapshot, verdict: Verdict) -> tuple[Any, ...]:
    """The values of one row, in the order of ``COLUMNS``."""
    return (snapshot.as_of, snapshot.run_id, *_values(verdict))
