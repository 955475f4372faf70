"""Whether the contract file tells what is published, under a version that fits what changed."""

import subprocess
from collections.abc import Iterator, Sequence

from tests.documents.contract import odcs
from tests.documents.contract.catalogue import Published
from tests.documents.contract.versions import Bump, Difference, differences, needed, parse, raised

WAY_OUT = "run `make contract`, which writes the file anew and raises its version, and commit it with the change"


def problems(contract: odcs.Contract, published: Published, committed: odcs.Contract | None = None) -> list[str]:
    """What is wrong with the contract file, a sentence each that says what to do; empty: nothing.

    Args:
        published: what the migrated database shows.
        committed: the contract of the last commit, which readers know; None where there is none.
    """
    return [
        *_edited_by_hand(contract),
        *_not_current(contract, published),
        *(_version_too_low(contract, committed) if committed else ()),
    ]


def next_version(committed: odcs.Contract, published: Published, wanted: str | None = None) -> str:
    """The version that what is published has to bear; a higher one that somebody chose stays."""
    bump = needed(differences(committed.published, published))
    version = committed.version if bump is None else raised(committed.version, bump)
    return max((version, wanted or version), key=parse)


def committed_contract(role: str) -> odcs.Contract | None:
    """The contract of a role as of the last commit; None outside a repository, or where it had none yet."""
    file = odcs.FILES[role]
    command = ["git", "show", f"HEAD:./{file.name}"]
    try:
        shown = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return odcs.parse(shown.stdout)


def _edited_by_hand(contract: odcs.Contract) -> Iterator[str]:
    if contract.published.digest != contract.digest:
        yield f"{contract.file.name}: its schema is not the one that version {contract.version} was given to; {WAY_OUT}"


def _not_current(contract: odcs.Contract, published: Published) -> Iterator[str]:
    changes = differences(contract.published, published)
    if changes:
        yield (
            f"schema compliance changed and {contract.file.name} still says {contract.version}: {said(changes)}. "
            f"That asks for version {next_version(contract, published)}; {WAY_OUT}"
        )


def _version_too_low(contract: odcs.Contract, committed: odcs.Contract) -> Iterator[str]:
    changes = differences(committed.published, contract.published)
    asked = next_version(committed, contract.published)
    if parse(contract.version) < parse(asked):
        yield (
            f"{contract.file.name} says {contract.version}, and what changed since {committed.version} asks for "
            f"{asked}: {said(changes)}; {WAY_OUT}"
        )


def said(changes: Sequence[Difference], most: int = 8) -> str:
    """The changes in one line."""
    names = {Bump.MAJOR: "major", Bump.MINOR: "minor", Bump.PATCH: "patch"}
    shown = [f"{change.text} ({names[change.bump]})" for change in changes[:most]]
    return "; ".join(shown) + (f"; and {len(changes) - most} more" if len(changes) > most else "")
