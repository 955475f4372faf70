"""The rows of an Excel workbook (.xlsx), as text that a CSV of it would hold."""

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Final

from bitbucket_compliance.registry.tables.file import refused

#: a workbook is a ZIP archive: what it holds, unpacked, in bytes
MOST_UNPACKED = 200 * 1024 * 1024
MOST_ROWS = 200_000
MOST_COLUMNS: Final = 500

Row = tuple[int, list[str]]
IsHeader = Callable[[Sequence[str]], bool]


def is_workbook(content: bytes) -> bool:
    """Whether bytes begin as a workbook does."""
    return content.startswith(b"PK\x03\x04")


def load_library() -> None:
    """Import what workbooks are read with: later, where no file may be opened any more, it could not be found."""
    import openpyxl.reader.excel
    import openpyxl.worksheet._reader  # noqa: F401


def rows_of_workbook(name: str, content: bytes, is_header: IsHeader | None) -> list[Row]:
    """The rows of the one sheet that fits, each with its number in the sheet.

    Args:
        is_header: whether a row holds the headings. None: every sheet that isn't blank fits.

    Raises:
        ImportRefused: it is no workbook, holds too much, or several sheets could be meant.
    """
    _check_size(name, content)
    sheets = _sheets(name, content)
    fitting = {
        title: rows
        for title, rows in sheets.items()
        if not is_header or any(is_header(cells) for _, cells in rows[:30])
    }
    meant = fitting or sheets
    if len(meant) > 1 and not fitting:
        raise refused(name, f"has {len(meant)} sheets, and none names the columns that are wanted")
    if len(meant) > 1:
        titles = ", ".join(repr(title[:40]) for title in meant)
        raise refused(name, f"has {len(meant)} sheets that could be meant ({titles}): keep the one to import")
    return next(iter(meant.values()), [])


def _check_size(name: str, content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    # NotImplementedError: what zipfile raises for an archive of a version that it doesn't know.
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as broken:
        raise refused(name, "is a broken ZIP archive, no workbook: save it again as .xlsx or as CSV UTF-8") from broken
    if unpacked > MOST_UNPACKED:
        raise refused(name, f"holds more than {MOST_UNPACKED // 1024 // 1024} MB once it is unpacked")


def _sheets(name: str, content: bytes) -> dict[str, list[Row]]:
    """By title, the visible sheets that aren't blank."""
    from openpyxl import load_workbook

    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=True, keep_links=False)
        found = {
            sheet.title: _rows(name, sheet)
            for sheet in book.worksheets
            if getattr(sheet, "sheet_state", "visible") == "visible"
        }
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        SyntaxError,
        OSError,
        zipfile.BadZipFile,
    ) as no:
        # The library has no error of its own for a file that is not as it should be.
        raise refused(name, "is no Excel workbook that can be read: save it again as .xlsx or as CSV UTF-8") from no
    return {title: rows for title, rows in found.items() if rows}


def _rows(name: str, sheet: Any) -> list[Row]:
    rows: list[Row] = []
    for number, cells in enumerate(sheet.iter_rows(values_only=True), start=1):
        if number > MOST_ROWS:
            raise refused(name, f"has more than {MOST_ROWS:,} rows")
        texts = [_text(value) for value in cells]
        while texts and not texts[-1]:
            texts.pop()
        if len(texts) > MOST_COLUMNS:
            raise refused(name, f"has {len(texts):,} columns; {MOST_COLUMNS} are the most")
        if texts:
            rows.append((number, texts))
    return rows


def _text(value: object) -> str:
    """A cell as a CSV would show it: days without a time, whole numbers without a fraction."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        is_day = (value.hour, value.minute, value.second, value.microsecond) == (0, 0, 0, 0)
        return value.date().isoformat() if is_day else value.isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
