"""Write ``docs/data-dictionary.md`` from the comments in a migrated database: part of ``make docs``.

The argument is the address of the database, a ``postgresql://`` URL.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tests.documents.contract.catalogue import Column, Function, Published, Relation, published_at

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "data-dictionary.md"

_HEAD = """\
<!-- Written by `make docs` from the comments below include/bitbucket_compliance/database: change them there. -->

# Data dictionary

What schema `compliance` shows to whoever reads it. The same as data contracts for tools, each with a version and rules
of quality, and to be checked with one role alone: `reporting/compliance.odcs.yaml` with `compliance_reader`,
`reporting/compliance_people.odcs.yaml` with `compliance_people_reader`. Questions with their statements:
[queries](queries.md).
"""


def document(published: Published) -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, "\n".join(_contents(published))]
    parts += ["\n".join(_relation(relation)) for relation in published.relations]
    parts.append("\n".join(_functions(published.functions)))
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _contents(published: Published) -> Iterator[str]:
    yield "| name | what it is |"
    yield "|---|---|"
    for relation in published.relations:
        yield f"| [{relation.name}](#{relation.name}) | {_cell(relation.description)} |"


def _relation(relation: Relation) -> Iterator[str]:
    yield f"## {relation.name}"
    yield ""
    yield f"A {relation.kind}, for {_named(relation.readers)}{_key(relation.columns)}."
    yield ""
    yield relation.description.replace("\n", " ")
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in relation.columns:
        yield f"| `{column.name}` | {column.type} | {_cell(column.description)} |"


def _functions(functions: tuple[Function, ...]) -> Iterator[str]:
    yield "## Functions"
    yield ""
    yield "| function | gives | meaning |"
    yield "|---|---|---|"
    for one in functions:
        yield f"| `{one.name}({one.arguments})` | {_cell(one.returns)} | {_cell(one.description)} |"


def _named(readers: tuple[str, ...]) -> str:
    return " and ".join(f"`{reader}`" for reader in readers)


def _key(columns: tuple[Column, ...]) -> str:
    key = [column.name for column in sorted(columns, key=lambda one: one.key) if column.key]
    return f"; one row for each ({', '.join(key)})" if key else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(dsn: str) -> int:
    """Write the page."""
    TARGET.write_text(document(published_at(dsn)), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
