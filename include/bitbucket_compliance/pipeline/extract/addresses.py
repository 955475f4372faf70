"""Declared addresses by which Bitbucket finds members: which are due, and how many fit into one filter."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote_plus

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.pipeline.run.run import Run
from bitbucket_compliance.policy.model import Thresholds
from bitbucket_compliance.security_tests.matching import mailbox

#: addresses of a filter: the official document of workspace members
MOST_ADDRESSES: Final = 90
#: bytes of a filter as it is sent: a request line of 4,094 bytes is the longest that Bitbucket takes, and path, fields
#: and host's prefix stand on it too
LONGEST_FILTER: Final = 3_400
#: asked for where it is in doubt whether any filter is taken
NOBODY: Final = ("nobody@bitbucket.invalid",)
#: an answer counts for a day at most; less where the policy has everything read again sooner
HOURS_REMEMBERED: Final = 24.0

# What may stand in a filter's string unescaped; anything else is no address Bitbucket would know.
_ADDRESS: Final = re.compile(r"[^\s\"\\<>(),;]+@[^\s\"\\<>(),;]+")


def declared_addresses(connection: Connection, thresholds: Thresholds) -> list[str]:
    """Every address that people declared, leavers first.

    Where the policy says that a domain ignores dots or tags, the address without them too.
    """
    plain = thresholds.domains_without_dots, thresholds.domains_without_tags
    declared = [row["email"] for row in run_sql(connection, "pipeline/extract/declared_emails.sql")]
    found = dict.fromkeys(spelling for address in declared for spelling in (address, mailbox(address, *plain)))
    return [address for address in found if _ADDRESS.fullmatch(address)]


def due_addresses(connection: Connection, run: Run, declared: Sequence[str]) -> list[str]:
    """Those to ask for in this run: never answered, answered too long ago, or by nobody while somebody is new.

    They count as never answered until they are. Joins the open transaction.
    """
    hours = min(HOURS_REMEMBERED, run.policy.thresholds.reread_hours)
    keys = {**run.keys, "full_refresh": run.full_refresh, "hours": hours, "declared": list(declared)}
    forgotten = {row["email"] for row in run_sql(connection, "pipeline/extract/forget_addresses.sql", keys)}
    known = {row["email"] for row in run_sql(connection, "pipeline/extract/known_addresses.sql", keys)}
    return [address for address in declared if address in forgotten or address not in known]


def batches(addresses: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The addresses in their order, as many at a time as one filter may hold."""
    batch: list[str] = []
    length = _length(())
    for address in addresses:
        more = _length((address,)) - _length(()) + len(quote_plus(","))
        if batch and (len(batch) == MOST_ADDRESSES or length + more > LONGEST_FILTER):
            yield tuple(batch)
            batch, length = [], _length(())
        batch.append(address)
        length += more
    if batch:
        yield tuple(batch)


def batch_key(batch: Sequence[str]) -> str:
    """What tells a batch from others of the run, whichever of them were answered before."""
    return hashlib.sha256("\n".join(batch).encode()).hexdigest()[:16]


def filter_of(addresses: Sequence[str]) -> Mapping[str, Any]:
    """The query parameters that find members by these addresses."""
    return {"q": "user.email IN ({})".format(",".join(f'"{address}"' for address in addresses))}


def _length(addresses: Sequence[str]) -> int:
    return len(quote_plus(filter_of(addresses)["q"]))
