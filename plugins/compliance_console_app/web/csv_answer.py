"""A list as a file for a spreadsheet, which takes no cell of it for a formula."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from starlette.responses import Response

from bitbucket_compliance.reporting.exports.formats.csv_table import write_rows

#: what an address asks for: the page, or all that the filter leaves as a file
Form = Annotated[Literal["", "csv"], Query(alias="format")]
# What statements of lists return for the page alone.
_OF_THE_PAGE = ("total", "sort_key")


def csv_answer(
    name: str, workspace: str, rows: Sequence[dict[str, Any]], columns: Sequence[str] | None = None
) -> Response:
    """Every row as ``<name>-<workspace>-<day>.csv``; lists are joined by commas.

    Args:
        columns: which, in which order; None: all that the rows have, and no header where there is no row.
    """
    if columns is None:
        columns = [column for column in (rows[0] if rows else {}) if column not in _OF_THE_PAGE]
    file = io.BytesIO()
    write_rows(file, columns, ([_cell(one[column]) for column in columns] for one in rows))
    told = "-".join(part for part in (name, workspace, f"{datetime.now(UTC):%Y-%m-%d}") if part)
    told = re.sub(r"[^A-Za-z0-9._-]", "_", told)[:200]
    return Response(
        file.getvalue(),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{told}.csv"'},
    )


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
