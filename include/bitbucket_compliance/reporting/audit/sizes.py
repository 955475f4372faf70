"""How many rows a sample has: the table of the policy, or how often somebody says that the control operates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.security_tests.policies import load_policy

_FOLDER: Final = Path(__file__).parent

#: Up to so many in the population (None: any number), so many, or such a percentage.
Line = tuple[int | None, int, int | None]


@dataclass(frozen=True)
class Sizes:
    """The table that a sample is drawn by.

    Attributes:
        policy_version: whose it is; None: no run had one by the end of the period, and the delivered one counts.
        lines: the first one counts that the population fits into.
    """

    policy_version: str | None
    lines: tuple[Line, ...]

    def of(self, population: int) -> int:
        """How many are drawn from a population of so many; a share is rounded up."""
        for most, number, share in self.lines:
            if most is None or population <= most:
                return min(population, number if share is None else -(-population * share // 100))
        raise LookupError("the last line of a table of sizes fits every population")


def sizes_of(connection: Connection, request: AuditRequest) -> Sizes:
    """The sizes of the policy that was in force at the end of the period."""
    found = run_sql(connection, _FOLDER / "sample_policy.sql", request.keys).fetchone()
    thresholds: Mapping[str, Any] = (found and found["thresholds"]) or {}
    delivered = load_policy().thresholds
    version = found["policy_version"] if found else None
    if request.frequency:
        name = f"sample_items_{request.frequency}"
        return Sizes(version, ((None, thresholds.get(name, delivered[name]), None),))
    return Sizes(version, _read(thresholds.get("sample_sizes", delivered.sample_sizes)))


def _read(lines: Sequence[str]) -> tuple[Line, ...]:
    """Lines such as ``250: 10 %`` and ``more: 25``."""
    found: list[Line] = []
    for line in lines:
        most, size = line.split(": ")
        is_share = size.endswith(" %")
        number = int(size.removesuffix(" %"))
        found.append((None if most == "more" else int(most), 0 if is_share else number, number if is_share else None))
    return tuple(found)
