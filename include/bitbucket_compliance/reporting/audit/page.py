"""``index.html``: what the package says, for a person, and for paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jinja2

from bitbucket_compliance.core.database import Connection, one_row, run_sql
from bitbucket_compliance.reporting.audit.parts import PARTS
from bitbucket_compliance.reporting.audit.tables import Table

_FOLDER: Final = Path(__file__).parent
#: rows of a table on the page; the file holds all
SHOWN: Final = 200


def page(connection: Connection, keys: Mapping[str, Any], about: Mapping[str, Any], tables: Sequence[Table]) -> str:
    """The page, from the rows that the package holds."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    template = environment.from_string(_FOLDER.joinpath("index.html.j2").read_text(encoding="utf-8"))
    return template.render(
        about=about,
        tables=tables,
        system=one_row(run_sql(connection, _FOLDER / "system.sql", keys)),
        controls=_rows(connection, "controls", keys),
        exceptions=_rows(connection, "exceptions", keys),
        open_findings=_rows(
            connection, "findings", keys, "WHERE part.ended_at IS null OR part.ended_at >= %(ends_at)s"
        ),
        shown=SHOWN,
    )


def _rows(connection: Connection, name: str, keys: Mapping[str, Any], which: str = "") -> list[dict[str, Any]]:
    [part] = [one for one in PARTS if one.name == name]
    query = f"SELECT * FROM ({part.query.decode()}) AS part {which} LIMIT %(shown)s"  # noqa: S608  # nosec B608 - own files
    most = SHOWN + 1 if name != "controls" else None
    return connection.execute(query.encode(), {**keys, "shown": most}).fetchall()
