"""What a change of the published schema means to its readers, and which version it asks for.

Semantic versions: a reader who wrote against 1.2.0 may rely on 1.x. Removals and changed types break readers: major.
Additions: minor. Words alone: patch.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from tests.documents.contract.catalogue import Column, Function, Published, Relation

Version = tuple[int, int, int]
Named = TypeVar("Named", Relation, Column, Function)


class Bump(IntEnum):
    """How much a version has to rise, least first."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Difference:
    """One change, in words that start with the thing."""

    bump: Bump
    text: str


def parse(version: str) -> Version:
    """``1.2.3`` as numbers.

    Raises:
        ValueError: it is no version of three numbers.
    """
    major, minor, patch = (int(part) for part in version.split("."))
    return major, minor, patch


def raised(version: str, bump: Bump) -> str:
    """The version after a change."""
    major, minor, patch = parse(version)
    if bump is Bump.MAJOR:
        return f"{major + 1}.0.0"
    return f"{major}.{minor + 1}.0" if bump is Bump.MINOR else f"{major}.{minor}.{patch + 1}"


def differences(before: Published, after: Published) -> list[Difference]:
    """Everything that changed, what breaks readers first."""
    found = [
        *_of_set(before.relations, after.relations, lambda one: one.name, _of_relation),
        *_of_set(before.functions, after.functions, lambda one: f"{one.name}({one.arguments})", _of_function),
    ]
    return sorted(found, key=lambda one: (-one.bump, one.text))


def needed(changes: Iterable[Difference]) -> Bump | None:
    """The largest bump that the changes ask for; None where there are none."""
    return max((change.bump for change in changes), default=None)


def _of_set(
    before: Sequence[Named],
    after: Sequence[Named],
    name: Callable[[Named], str],
    compare: Callable[[Named, Named], Iterator[Difference]],
) -> Iterator[Difference]:
    old, new = {name(one): one for one in before}, {name(one): one for one in after}
    yield from (Difference(Bump.MAJOR, f"{key}: removed") for key in old if key not in new)
    yield from (Difference(Bump.MINOR, f"{key}: added") for key in new if key not in old)
    for key in old:
        if key in new:
            yield from compare(old[key], new[key])


def _of_relation(before: Relation, after: Relation) -> Iterator[Difference]:
    name = before.name
    yield from _of_readers(name, before.readers, after.readers)
    if (before.kind, before.description) != (after.kind, after.description):
        yield Difference(Bump.PATCH, f"{name}: described otherwise")
    for change in _of_set(before.columns, after.columns, lambda one: one.name, _of_column):
        yield Difference(change.bump, f"{name}.{change.text}")
    kept = {column.name for column in before.columns} & {column.name for column in after.columns}
    orders = [[column.name for column in one.columns if column.name in kept] for one in (before, after)]
    if orders[0] != orders[1]:
        yield Difference(Bump.MAJOR, f"{name}: columns in another order")
    if _key(before) != _key(after):
        yield Difference(Bump.MAJOR, f"{name}: key {_key(before)} became {_key(after)}")


def _of_column(before: Column, after: Column) -> Iterator[Difference]:
    name = before.name
    if before.type != after.type:
        yield Difference(Bump.MAJOR, f"{name}: type {before.type} became {after.type}")
    if before.required and not after.required:
        yield Difference(Bump.MAJOR, f"{name}: may be null now")
    if after.required and not before.required:
        yield Difference(Bump.MINOR, f"{name}: is never null now")
    if before.description != after.description:
        yield Difference(Bump.PATCH, f"{name}: described otherwise")


def _of_function(before: Function, after: Function) -> Iterator[Difference]:
    yield from _of_readers(f"{before.name}()", before.readers, after.readers)
    if before.returns != after.returns:
        yield Difference(Bump.MAJOR, f"{before.name}(): returns {after.returns} instead of {before.returns}")
    if before.description != after.description:
        yield Difference(Bump.PATCH, f"{before.name}(): described otherwise")


def _of_readers(name: str, before: Sequence[str], after: Sequence[str]) -> Iterator[Difference]:
    yield from (Difference(Bump.MAJOR, f"{name}: closed to {role}") for role in before if role not in after)
    yield from (Difference(Bump.MINOR, f"{name}: open to {role}") for role in after if role not in before)


def _key(relation: Relation) -> list[str]:
    return [column.name for column in sorted(relation.columns, key=lambda one: one.key) if column.key]
