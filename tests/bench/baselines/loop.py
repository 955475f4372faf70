"""The loop one would write by hand: ``requests``, a pool of threads with a session each, COPY into one table.

One connection makes it the sequential loop. It neither retries nor checks anything.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import requests

from tests.bench.baselines.calls import API, OF_REPOSITORY, OF_WORKSPACE, REPOSITORIES, Asked
from tests.bench.baselines.contender import KEY, SECRET, Measured, parser, timed

Row = tuple[str, str, str]


class Loop:
    """Reads a workspace.

    Args:
        trimmed: ask for the fields of our extraction alone.
        share: part of the repositories that is read, from 0 to 1.
    """

    def __init__(self, url: str, *, connections: int, trimmed: bool, share: float) -> None:
        self._url, self._connections, self._trimmed, self._share = url, connections, trimmed, share
        self._of_thread = threading.local()
        grant = {"grant_type": "client_credentials"}
        answer = requests.post(f"{url}/site/oauth2/access_token", data=grant, auth=(KEY, SECRET), timeout=60)
        self._token = answer.json()["access_token"]

    def rows(self) -> Iterator[Row]:
        """(resource, repository's slug, body) of everything there is, repository by repository."""
        found = list(self._read(REPOSITORIES, ""))
        yield from found
        for asked in OF_WORKSPACE:
            yield from self._read(asked, "")
        slugs = [json.loads(body)["slug"] for _, _, body in found]
        with ThreadPoolExecutor(self._connections) as pool:
            for rows in pool.map(self._repository, slugs[: round(len(slugs) * self._share)]):
                yield from rows

    def _repository(self, slug: str) -> list[Row]:
        return [row for asked in OF_REPOSITORY for row in self._read(asked, slug)]

    def _read(self, asked: Asked, slug: str) -> Iterator[Row]:
        body = self._get(self._url + API + asked.path.format(slug=slug), asked.query(trimmed=self._trimmed))
        while True:
            for value in body.get("values", [body]):
                yield asked.resource.name, slug, json.dumps(value)
            if not (asked.listing and "next" in body):
                return
            body = self._get(body["next"], {})

    def _get(self, url: str, params: dict[str, str | int]) -> dict[str, Any]:
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = requests.Session()
            self._of_thread.session.headers["Authorization"] = f"Bearer {self._token}"
        response = self._of_thread.session.get(url, params=params, timeout=60)
        response.raise_for_status()
        body: dict[str, Any] = response.json()
        return body


def land(dsn: str, rows: Iterator[Row]) -> int:
    """One COPY for all rows; returns how many."""
    count = 0
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE plain (resource text, repository text, body jsonb)")
        with connection.cursor().copy("COPY plain FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
                count += 1
    return count


def main() -> None:
    """Run the loop once and print what it cost."""
    options = parser(__doc__)
    options.add_argument("--trimmed", action="store_true")
    options.add_argument("--share", type=float, default=1.0)
    given = options.parse_args()
    measured = Measured()
    with timed(measured, lands=given.dsn is not None):
        loop = Loop(given.url, connections=given.connections, trimmed=given.trimmed, share=given.share)
        measured.objects = land(given.dsn, loop.rows()) if given.dsn else sum(1 for _ in loop.rows())
    measured.print()


if __name__ == "__main__":
    main()
