"""Lists as files: CSV that a spreadsheet takes for no formula."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from bitbucket_compliance.reporting.exports.formats.csv_table import write_rows


def csv_file(name: str, workspace: str, columns: Sequence[str], found: Iterable[dict[str, Any]]) -> Response:
    """``name-workspace-day.csv`` with these columns of the rows; lists are joined by commas."""
    file = io.BytesIO()
    write_rows(file, columns, ([_cell(row[column]) for column in columns] for row in found))
    slug = re.sub(r"[^A-Za-z0-9._-]", "_", workspace)
    named = f"{name}-{slug}-{datetime.now(UTC):%Y-%m-%d}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{named}"'}
    return Response(file.getvalue(), media_type="text/csv", headers=headers)


def _cell(value: Any) -> Any:
    return ", ".join(map(str, value)) if isinstance(value, list) else value
