"""What an export of two-step verification says of people who were not read yet."""

from bitbucket_compliance.core.database import Connection, one_row
from bitbucket_compliance.registry.evidence_files.types import Export

LINES_SHOWN = 50


def export_lines(name: str, export: Export) -> list[str]:
    """What who hands in an export should know of it: how many it says what of, and the lines that name nobody."""
    lines = [f"{name}: {len(export.people)} people: {export.counted()}"]
    if export.nobody:
        shown = ", ".join(map(str, export.nobody[:LINES_SHOWN]))
        lines.append(f"{name}: {len(export.nobody)} lines name nobody and say nothing: line {shown}")
    return lines


def unmatched_lines(connection: Connection, evidence_id: str, name: str) -> list[str]:
    """A line for each row of an export that matches no member, as far as that can be known yet. No error: they may be
    people of another product of the organisation.
    """
    read = one_row(connection.execute("SELECT EXISTS (SELECT 1 FROM staging.members) AS members"))
    if not read["members"]:
        return [f"unmatched: {name}: no member was read yet: the rows are matched at the next run"]
    rows = connection.execute(
        "SELECT line, looked_up FROM registry.unmatched_evidence_rows WHERE evidence_id = %s ORDER BY line",
        (evidence_id,),
    ).fetchall()
    nobody = [row["line"] for row in rows if row["looked_up"]]
    waiting = len(rows) - len(nobody)
    lines = [
        f"unmatched: {name}: line {line}: no member of a workspace that was read has this address or account id"
        for line in nobody[:LINES_SHOWN]
    ]
    if len(nobody) > LINES_SHOWN:
        lines.append(
            f"unmatched: {name}: {len(nobody) - LINES_SHOWN} more; registry.unmatched_evidence_rows lists them all"
        )
    if waiting:
        lines.append(f"unmatched: {name}: addresses never looked up: {waiting}; the next run asks for them")
    return lines
