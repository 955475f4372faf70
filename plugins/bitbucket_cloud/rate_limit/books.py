"""What the request ledger holds of one consumer, in Postgres or in memory: rows in and out, no rules.

Requests stand in bins of ten seconds; beside them one row a consumer holds its stated limit and its pause.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from bitbucket_cloud.database import Connection, run_sql

#: Seconds of a bin; the SQL says so too.
BIN = 10
#: Hours for which the bins in memory are kept: the ledger's window is little more than one.
KEPT_IN_MEMORY = 2


@dataclass(frozen=True)
class BudgetRow:
    """A consumer's row.

    Attributes:
        moment: the time at which it was read; the statements that follow use this one.
        stated_limit: requests an hour, as Bitbucket stated them.
        stated_at: when it did.
        paused_at: when the newest pause began.
        paused_until: when it ends.
        pauses_in_a_row: pauses since the last success.
    """

    moment: datetime
    stated_limit: int | None = None
    stated_at: datetime | None = None
    paused_at: datetime | None = None
    paused_until: datetime | None = None
    pauses_in_a_row: int = 0


class Books(Protocol):
    """One consumer's rows within one transaction; ``budget`` comes first and locks them."""

    def budget(self) -> BudgetRow:
        """The consumer's row, locked; made if there is none."""

    def peek(self) -> BudgetRow | None:
        """The consumer's row, not locked; None if there is none."""

    def used(self, window: float) -> int:
        """Requests in the bins that began within the last ``window`` seconds."""

    def book(self, moment: datetime, window: float, wanted: int, limit: int | None) -> tuple[int, int, datetime]:
        """Book up to ``wanted`` requests: those used before, those booked, and their bin."""

    def give_back(self, bin_: datetime, requests: int) -> None:
        """Take requests out of their bin again."""

    def free_at(self, moment: datetime, window: float, wanted: int, limit: int) -> datetime | None:
        """When ``wanted`` requests will be free, if no others are booked; None where they are already."""

    def state_limit(self, moment: datetime, limit: int) -> None:
        """Keep the limit that Bitbucket states."""

    def pause(self, moment: datetime, until: datetime, pauses: int) -> None:
        """Begin a pause."""

    def end_pause(self, ago: float) -> None:
        """End the row of pauses if the newest began at least ``ago`` seconds ago; needs no lock before."""

    def prune(self, moment: datetime) -> None:
        """Forget what is too old to matter."""


class PostgresBooks:
    """Books over the tables ``integration.request_ledger`` and ``integration.request_budgets``.

    Args:
        connection: inside a transaction.
        consumer: whose rows.
        now: the time; None for the database's own.
    """

    def __init__(self, connection: Connection, consumer: str, now: datetime | None) -> None:
        self._connection = connection
        self._own = {"consumer": consumer, "now": now}

    def budget(self) -> BudgetRow:
        """See ``Books``."""
        return BudgetRow(**self._row("lock_budget.sql"))

    def peek(self) -> BudgetRow | None:
        """See ``Books``."""
        row = run_sql(self._connection, "read_budget.sql", self._own).fetchone()
        return BudgetRow(**row) if row else None

    def used(self, window: float) -> int:
        """See ``Books``."""
        return int(self._row("requests_used.sql", window=window)["used"])

    def book(self, moment: datetime, window: float, wanted: int, limit: int | None) -> tuple[int, int, datetime]:
        """See ``Books``."""
        row = self._row("book_requests.sql", moment=moment, window=window, wanted=wanted, limit=limit)
        return row["used"], row["granted"], row["bin"]

    def give_back(self, bin_: datetime, requests: int) -> None:
        """See ``Books``."""
        self._run("give_back_requests.sql", bin=bin_, requests=requests)

    def free_at(self, moment: datetime, window: float, wanted: int, limit: int) -> datetime | None:
        """See ``Books``."""
        free_at: datetime | None = self._row(
            "requests_free_at.sql", moment=moment, window=window, wanted=wanted, limit=limit
        )["free_at"]
        return free_at

    def state_limit(self, moment: datetime, limit: int) -> None:
        """See ``Books``."""
        self._run("state_limit.sql", moment=moment, limit=limit)

    def pause(self, moment: datetime, until: datetime, pauses: int) -> None:
        """See ``Books``."""
        self._run("pause_consumer.sql", moment=moment, until=until, pauses=pauses)

    def end_pause(self, ago: float) -> None:
        """See ``Books``."""
        self._run("end_pause.sql", ago=ago)

    def prune(self, moment: datetime) -> None:
        """See ``Books``."""
        self._run("prune_ledger.sql", moment=moment)

    def _run(self, name: str, **parameters: Any) -> None:
        run_sql(self._connection, name, {**self._own, **parameters})

    def _row(self, name: str, **parameters: Any) -> Mapping[str, Any]:
        row = run_sql(self._connection, name, {**self._own, **parameters}).fetchone()
        if row is None:
            raise LookupError(f"{name} gave no row")
        return row


class MemoryBooks:
    """Books of one process; kept as long as the object. ``lock`` is held for each transaction."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = datetime.now(UTC)
        self._bins: dict[datetime, int] = {}
        self._budget: BudgetRow | None = None

    def budget(self) -> BudgetRow:
        """See ``Books``."""
        self._budget = replace(self._budget or BudgetRow(self.now), moment=self.now)
        return self._budget

    def peek(self) -> BudgetRow | None:
        """See ``Books``."""
        return replace(self._budget, moment=self.now) if self._budget else None

    def used(self, window: float) -> int:
        """See ``Books``."""
        return self._used(self.now, window)

    def book(self, moment: datetime, window: float, wanted: int, limit: int | None) -> tuple[int, int, datetime]:
        """See ``Books``."""
        used = self._used(moment, window)
        granted = wanted if limit is None else max(0, min(wanted, limit - used))
        bin_ = datetime.fromtimestamp(moment.timestamp() // BIN * BIN, UTC)
        if granted:
            self._bins[bin_] = self._bins.get(bin_, 0) + granted
        return used, granted, bin_

    def give_back(self, bin_: datetime, requests: int) -> None:
        """See ``Books``."""
        if bin_ in self._bins:
            self._bins[bin_] = max(0, self._bins[bin_] - requests)

    def free_at(self, moment: datetime, window: float, wanted: int, limit: int) -> datetime | None:
        """See ``Books``."""
        used = self._used(moment, window)
        for bin_ in sorted(self._counting(moment, window)):
            used -= self._bins[bin_]
            if used <= limit - wanted:
                return bin_ + timedelta(seconds=window)
        return None

    def state_limit(self, moment: datetime, limit: int) -> None:
        """See ``Books``."""
        self._budget = replace(self.budget(), stated_limit=limit, stated_at=moment)

    def pause(self, moment: datetime, until: datetime, pauses: int) -> None:
        """See ``Books``."""
        self._budget = replace(self.budget(), paused_at=moment, paused_until=until, pauses_in_a_row=pauses)

    def end_pause(self, ago: float) -> None:
        """See ``Books``."""
        row = self.budget()
        if row.paused_at is not None and row.paused_at <= row.moment - timedelta(seconds=ago):
            self._budget = replace(row, paused_until=None, pauses_in_a_row=0)

    def prune(self, moment: datetime) -> None:
        """See ``Books``."""
        oldest = moment - timedelta(hours=KEPT_IN_MEMORY)
        self._bins = {bin_: requests for bin_, requests in self._bins.items() if bin_ >= oldest}

    def _counting(self, moment: datetime, window: float) -> list[datetime]:
        return [bin_ for bin_ in self._bins if bin_ > moment - timedelta(seconds=window)]

    def _used(self, moment: datetime, window: float) -> int:
        return sum(self._bins[bin_] for bin_ in self._counting(moment, window))
