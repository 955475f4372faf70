"""Parquet: typed columns, times in UTC to the microsecond, ``detail`` as JSON text, the manifest in the metadata."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import IO, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from bitbucket_compliance.core.database import as_json
from bitbucket_compliance.reporting.exports.formats.columns import COLUMNS, row
from bitbucket_compliance.reporting.exports.model import Counts, Snapshot, Verdict

ROWS_IN_A_GROUP: Final = 10_000
MANIFEST: Final = "bitbucket_compliance"
_OTHERS: Final = {
    "is_stale": pa.bool_(),
    "bypassable": pa.bool_(),
    "bypassed": pa.int32(),
    "exception_self_accepted": pa.bool_(),
    "evidence_self_accepted": pa.bool_(),
}
_TIMES: Final = frozenset(name for name in COLUMNS if name.endswith(("_at", "_since", "_until", "as_of")))


def schema(snapshot: Snapshot) -> pa.Schema:
    """The columns with their types, and the manifest."""
    types = {name: pa.timestamp("us", tz="UTC") for name in _TIMES} | _OTHERS
    columns = [pa.field(name, types.get(name, pa.string())) for name in COLUMNS]
    return pa.schema(columns, metadata={MANIFEST: as_json(snapshot.describe())})


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    columns = schema(snapshot)
    with pq.ParquetWriter(pa.PythonFile(file, mode="w"), columns, compression="zstd") as writer:
        for group in _groups(row(snapshot, verdict) for verdict in verdicts):
            arrays = [
                pa.array([_plain(values[index]) for values in group], type=field.type)
                for index, field in enumerate(columns)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=columns))


def count(file: IO[bytes]) -> Counts:
    """See ``Format``."""
    found = Counts()
    with pq.ParquetFile(pa.PythonFile(file, mode="r")) as parquet:
        for batch in parquet.iter_batches(batch_size=ROWS_IN_A_GROUP, columns=["test_id", "status"]):
            found.update(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return found


def _groups(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    remaining = iter(rows)
    while group := list(islice(remaining, ROWS_IN_A_GROUP)):
        yield group


def _plain(value: Any) -> Any:
    return as_json(value) if isinstance(value, dict) else value
