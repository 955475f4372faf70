"""``index.html``: what the package says, for a person, and for paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.reporting.audit.parts import PARTS, Part
from bitbucket_compliance.reporting.audit.pseudonyms import Pseudonyms
from bitbucket_compliance.reporting.audit.tables import Table, hiding

_FOLDER: Final = Path(__file__).parent
#: rows of a table on the page; the file holds all
SHOWN: Final = 200


def page(
    connection: Connection,
    keys: Mapping[str, Any],
    about: Mapping[str, Any],
    tables: Sequence[Table],
    pseudonyms: Pseudonyms | None,
) -> str:
    """The page, from the rows that the package holds.

    Args:
        pseudonyms: None where persons are named. They take the place of values, never of what stands between them: a
            name may be a word of the page, or of HTML.
    """
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_FOLDER.joinpath("index.html.j2").read_text(encoding="utf-8"))
    return template.render(
        about=about if pseudonyms is None else {**about, "problems": list(map(pseudonyms.hide, about["problems"]))},
        tables=tables,
        system=one_row(run_sql(connection, _FOLDER / "system.sql", keys)),
        controls=_rows(connection, "controls", keys, pseudonyms),
        exceptions=_rows(connection, "exceptions", keys, pseudonyms),
        open_findings=_rows(
            connection, "findings", keys, pseudonyms, "WHERE part.ended_at IS null OR part.ended_at >= %(ends_at)s"
        ),
        shown=SHOWN,
    )


def _rows(
    connection: Connection, name: str, keys: Mapping[str, Any], pseudonyms: Pseudonyms | None, which: str = ""
) -> list[dict[str, Any]]:
    [part] = [one for one in PARTS if one.name == name]
    query = f"SELECT * FROM ({part.query.decode()}) AS part {which} LIMIT %(shown)s"  # noqa: S608  # nosec B608 - own files
    most = SHOWN + 1 if name != "controls" else None
    found = connection.execute(query.encode(), {**keys, "shown": most}).fetchall()
    return [{**row, **_hidden(row, part, pseudonyms)} for row in found] if pseudonyms else found


def _hidden(row: Mapping[str, Any], part: Part, pseudonyms: Pseudonyms) -> dict[str, str]:
    """The texts of a row that may name a person, without the names."""
    texts = {column: value for column, value in row.items() if isinstance(value, str) and value}
    hides = {column: hiding(pseudonyms, column, "text", part) for column in texts}
    return {column: hide(texts[column]) for column, hide in hides.items() if hide}
