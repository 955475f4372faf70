"""Landing: objects and the outcome of every call, sent by COPY, one transaction a batch."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from bitbucket_compliance.core.database import Connection, as_json, copy_rows, run_sql
from bitbucket_compliance.pipeline.extract.landing.results import CallKey, CallResult, Checkpoint
from bitbucket_compliance.pipeline.run.run import Run

_SQL = "pipeline/extract/landing"


def checkpoints(connection: Connection, run: Run) -> dict[CallKey, Checkpoint]:
    """Where calls of the run stopped that were not brought to an end since."""
    rows = run_sql(connection, f"{_SQL}/checkpoints.sql", run.keys)
    return {(row["resource"], row["repository_id"], row["item_key"]): Checkpoint(**row) for row in rows}


class LandingWriter:
    """Collects results and lands them in batches; a batch is there whole, calls and objects, or not at all."""

    def __init__(self, connection: Connection, run: Run, *, batch_objects: int = 500, batch_calls: int = 100):
        self.connection = connection
        self._run = run
        self._batch_objects = batch_objects
        self._batch_calls = batch_calls
        self._results: list[CallResult] = []
        self._reads: list[tuple[str, datetime, bool]] = []
        self._objects = 0

    def add(self, result: CallResult) -> None:
        """Take a result in; lands the batch when it is full."""
        self._results.append(result)
        self._objects += len(result.objects)
        if self._objects >= self._batch_objects or len(self._results) >= self._batch_calls:
            self.flush()

    def add_read(self, repository_id: str, *, complete: bool) -> None:
        """Note that nothing is left to ask of a repository; ``complete``: no call on it failed.

        Lands with or after the results before it.
        """
        self._reads.append((repository_id, datetime.now(UTC), complete))

    def keep(self, calls: Iterable[Checkpoint]) -> None:
        """Keep where calls stopped; joins the open transaction."""
        for call in calls:
            values = {**self._run.keys, **vars(call), "bodies": as_json(call.bodies)}
            run_sql(self.connection, f"{_SQL}/keep_checkpoint.sql", values)

    def flush(self) -> None:
        """Land what was collected and commit."""
        if not self._results and not self._reads:
            self.connection.commit()
            return
        run_sql(self.connection, f"{_SQL}/make_incoming.sql")
        copy_rows(
            self.connection,
            "COPY incoming_objects (resource, repository_id, object_key, body_hash, body, fetched_at) FROM STDIN",
            self._object_rows(),
        )
        copy_rows(
            self.connection,
            "COPY incoming_calls (resource, repository_id, item_key, outcome, http_status, message, requests,"
            " items, listing_size, repeated_items, incomplete_because, reread, fetched_at) FROM STDIN",
            self._call_rows(),
        )
        copy_rows(self.connection, "COPY incoming_reads (repository_id, read_at, complete) FROM STDIN", self._reads)
        copy_rows(self.connection, "COPY incoming_addresses (email, asked_at) FROM STDIN", self._address_rows())
        for table in ("objects", "calls", "addresses", "reads"):
            run_sql(self.connection, f"{_SQL}/land_{table}.sql", self._run.keys)
        self.connection.commit()
        self._results.clear()
        self._reads.clear()
        self._objects = 0

    def _object_rows(self) -> Iterator[Sequence[object]]:
        for one in self._results:
            for key, body_hash, text in one.encoded:
                object_key = "#".join(part for part in (one.repository_id, key) if part)
                yield one.resource, one.repository_id or None, object_key, body_hash, text, one.fetched_at

    def _address_rows(self) -> Iterator[Sequence[object]]:
        for one in self._results:
            for address in one.addresses:
                yield address, one.fetched_at

    def _call_rows(self) -> Iterator[Sequence[object]]:
        for one in self._results:
            yield (
                *one.key,
                one.outcome,
                one.http_status,
                one.message,
                one.requests,
                len(one.objects),
                one.listing_size,
                one.repeated_items,
                one.incomplete_because,
                one.reread,
                one.fetched_at,
            )
