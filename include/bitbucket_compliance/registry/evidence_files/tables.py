"""An export as it is stored: a CSV in which no cell is a formula to a spreadsheet, line by line as it was handed in."""

import csv
import io
import re
from typing import Final

from bitbucket_compliance.core.errors import ImportRefused
from bitbucket_compliance.registry.tables.read import rows_of
from bitbucket_compliance.registry.tables.workbook import is_workbook

# A spreadsheet takes these for formulas. Behind a sign, a number, a dash or an address is none.
_FORMULA: Final = re.compile(r"\A(?:[=@]|[+-](?![\d\s.,()/+-]*$)(?![\w.+-]*@[\w.-]+$))")


def clean_table(content: bytes) -> bytes:
    """The table without formulas; as it is where there are none, or where it is no table, which who reads it will say.

    People choose their names themselves: one that looks like a formula must not stop a whole export.
    """
    try:
        rows = rows_of("", content)
    except ImportRefused:
        return content
    if not is_workbook(content) and not any(_FORMULA.match(cell) for _, cells in rows for cell in cells):
        return content
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    lines = 0
    for line, cells in rows:
        # Whoever looks for line 12 finds it where it was.
        text.write("\n" * (line - 1 - lines))
        writer.writerow([f"'{cell}" if _FORMULA.match(cell) else cell for cell in cells])
        lines = max(lines, line - 1) + 1 + sum(len(re.findall(r"\r\n|\r|\n", cell)) for cell in cells)
    return text.getvalue().encode("utf-8-sig")
