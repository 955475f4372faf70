"""The landing zone: objects and the outcome of every call, sent by COPY, one transaction a batch."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from bitbucket_compliance.core.database import Connection, as_json, copy_rows, run_sql
from bitbucket_compliance.pipeline.extract.resources import Body
from bitbucket_compliance.pipeline.run.run import Run

OK = "ok"
SCOPE_MISSING = "scope_missing"
PERMISSION_MISSING = "permission_missing"
NOT_FOUND = "not_found"
FAILED = "failed"


@dataclass(frozen=True)
class Answer:
    """What one call brought: its outcome for ``landing.calls`` and its objects for ``landing.objects``.

    Attributes:
        resource: name of the resource.
        outcome: ok, scope_missing, permission_missing, not_found or failed.
        repository_id: uuid with braces, empty for calls on the workspace.
        item_key: what tells calls on one repository apart (the pull request of a status call).
        objects: (key within workspace or repository, body).
        requests: HTTP requests it cost, retries included; 0 where the call was not worth sending.
        listing_size: the ``size`` Bitbucket gave.
        repeated_items: objects a listing named twice.
        reread: whether the listing was read a second time because of an anomaly.
    """

    resource: str
    outcome: str
    repository_id: str = ""
    item_key: str = ""
    objects: Sequence[tuple[str, Body]] = ()
    requests: int = 0
    listing_size: int | None = None
    repeated_items: int = 0
    reread: bool = False
    http_status: int | None = None
    message: str | None = None
    fetched_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def encoded(self) -> list[tuple[str, str, str]]:
        """The objects as they are landed: key, SHA-256 of the text, canonical JSON text."""
        texts = [(key, as_json(body)) for key, body in self.objects]
        return [(key, hashlib.sha256(text.encode()).hexdigest(), text) for key, text in texts]


@dataclass(frozen=True)
class BrokenOff:
    """A call that was broken off for want of requests: what it brought, where it goes on, what it cost so far.

    Attributes:
        next_link: Bitbucket's link to the next page; empty where the call starts anew.
        bodies: objects of the pages read.
        requests: HTTP requests so far.
    """

    resource: str
    repository_id: str
    item_key: str
    next_link: str
    bodies: Sequence[Body]
    requests: int


def broken_off(connection: Connection, run: Run) -> dict[tuple[str, str, str], BrokenOff]:
    """The calls of the run that were broken off and not brought to an end since, by resource, repository and item."""
    rows = run_sql(connection, "pipeline/extract/take_unfinished.sql", run.keys)
    return {(row["resource"], row["repository_id"], row["item_key"]): BrokenOff(**row) for row in rows}


class LandingWriter:
    """Collects answers and lands them in batches; a batch is there whole, calls and objects, or not at all."""

    def __init__(self, connection: Connection, run: Run, *, batch_objects: int = 500, batch_calls: int = 100):
        self.connection = connection
        self._run = run
        self._batch_objects = batch_objects
        self._batch_calls = batch_calls
        self._answers: list[Answer] = []
        self._reads: list[tuple[str, datetime, bool]] = []
        self._objects = 0

    def add(self, answer: Answer) -> None:
        """Take an answer in; lands the batch when it is full."""
        self._answers.append(answer)
        self._objects += len(answer.objects)
        if self._objects >= self._batch_objects or len(self._answers) >= self._batch_calls:
            self.flush()

    def add_read(self, repository_id: str, *, complete: bool) -> None:
        """Note that nothing is left to ask of a repository; ``complete``: no call on it failed.

        Lands with or after the answers before it.
        """
        self._reads.append((repository_id, datetime.now(UTC), complete))

    def keep(self, calls: Iterable[BrokenOff]) -> None:
        """Keep what calls brought before they were broken off; joins the open transaction."""
        for call in calls:
            values = {**self._run.keys, **vars(call), "bodies": as_json(call.bodies)}
            run_sql(self.connection, "pipeline/extract/keep_unfinished.sql", values)

    def flush(self) -> None:
        """Land what was collected and commit."""
        if not self._answers and not self._reads:
            self.connection.commit()
            return
        run_sql(self.connection, "pipeline/extract/make_incoming.sql")
        copy_rows(
            self.connection,
            "COPY incoming_objects (resource, repository_id, object_key, body_hash, body, fetched_at) FROM STDIN",
            self._object_rows(),
        )
        copy_rows(
            self.connection,
            "COPY incoming_calls (resource, repository_id, item_key, outcome, http_status, message, requests,"
            " items, listing_size, repeated_items, reread, fetched_at) FROM STDIN",
            self._call_rows(),
        )
        copy_rows(
            self.connection, "COPY incoming_reads (repository_id, read_at, complete) FROM STDIN", iter(self._reads)
        )
        run_sql(self.connection, "pipeline/extract/land_objects.sql", self._run.keys)
        run_sql(self.connection, "pipeline/extract/land_calls.sql", self._run.keys)
        run_sql(self.connection, "pipeline/extract/land_reads.sql", self._run.keys)
        self.connection.commit()
        self._answers.clear()
        self._reads.clear()
        self._objects = 0

    def _object_rows(self) -> Iterable[Sequence[object]]:
        for answer in self._answers:
            for key, body_hash, text in answer.encoded:
                object_key = "#".join(part for part in (answer.repository_id, key) if part)
                yield (
                    answer.resource,
                    answer.repository_id or None,
                    object_key,
                    body_hash,
                    text,
                    answer.fetched_at,
                )

    def _call_rows(self) -> Iterable[Sequence[object]]:
        for answer in self._answers:
            yield (
                answer.resource,
                answer.repository_id,
                answer.item_key,
                answer.outcome,
                answer.http_status,
                answer.message,
                answer.requests,
                len(answer.objects),
                answer.listing_size,
                answer.repeated_items,
                answer.reread,
                answer.fetched_at,
            )


def distinct(values: Iterable[Body], key: Any) -> tuple[list[tuple[str, Body]], int]:
    """Objects by their key, the last one of a key winning, and how many were repeated; bodies without key are left."""
    found: dict[str, Body] = {}
    repeated = 0
    for body in values:
        name = key(body)
        if name is None:
            continue
        repeated += name in found
        found[name] = body
    return list(found.items()), repeated
