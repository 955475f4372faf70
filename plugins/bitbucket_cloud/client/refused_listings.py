"""Listings that turned out to be without end: none is asked for again at once, by whatever process.

Each would cost the requests of half an hour, which all workspaces of the connection share.
"""

from __future__ import annotations

import threading
from pathlib import Path

from bitbucket_cloud.database import Database
from bitbucket_cloud.errors import AnswerTooLarge
from bitbucket_cloud.rate_limit.ledger import consumer_of
from bitbucket_cloud.settings import Settings

#: Hours for which a listing is not asked for again.
REMEMBERED_HOURS = 24

_SQL = Path(__file__).parent


class RefusedListings:
    """Those of one consumer; kept in the database, or within the process where there is none.

    Both methods raise DatabaseUnavailable.
    """

    def __init__(self, settings: Settings, database: Database | None) -> None:
        self._consumer = consumer_of(settings)
        self._configuration = settings.configuration
        self._database = database
        self._known: set[str] | None = None if database else set()
        self._lock = threading.Lock()

    def check(self, path: str) -> None:
        """Refuse a listing, named by its path below /2.0, that was too large not long ago.

        Raises:
            AnswerTooLarge: it was; under the limit of pages of today, or a higher one.
        """
        with self._lock:
            if self._known is None:
                self._known = self._read()
            if path in self._known:
                raise AnswerTooLarge(
                    f"the listing {path} had too many pages not long ago and is left alone for {REMEMBERED_HOURS} "
                    f"hours; {self._configuration.to_allow_more_pages}"
                )

    def noted(self, path: str, error: AnswerTooLarge) -> AnswerTooLarge:
        """Remember a listing; the error to raise for it."""
        with self._lock:
            self._known = (self._known or set()) | {path}
        if self._database is not None:
            with self._database.transaction() as connection:
                most = self._configuration.most_pages
                self._database.run(
                    connection, _SQL / "refuse_listing.sql", consumer=self._consumer, path=path, most_pages=most
                )
        told = f"{error}; it is left alone for {REMEMBERED_HOURS} hours; {self._configuration.to_allow_more_pages}"
        return AnswerTooLarge(told, status=error.status, requests=error.requests)

    def _read(self) -> set[str]:
        if self._database is None:
            return set()
        with self._database.transaction() as connection:
            rows = self._database.run(
                connection,
                _SQL / "refused_listings.sql",
                consumer=self._consumer,
                most_pages=self._configuration.most_pages,
                hours=REMEMBERED_HOURS,
            ).fetchall()
        return {row["path"] for row in rows}
