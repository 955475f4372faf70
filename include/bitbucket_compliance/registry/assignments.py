"""Who is to see to a finding: assigned to a known person, with the history of it. No verdict or deadline changes."""

from collections.abc import Collection

from bitbucket_compliance.core.audit import record
from bitbucket_compliance.core.database import Connection, run_sql
from bitbucket_compliance.core.errors import AssignmentRefused, PersonUnclear
from bitbucket_compliance.core.persons import known_form
from bitbucket_compliance.registry import persons

LONGEST_NOTE = 2000


def assign(
    connection: Connection,
    workspace: str,
    finding_ids: Collection[str],
    *,
    assigned_to: str | None,
    assigned_by: str,
    note: str | None = None,
) -> int:
    """Assign open findings, all of them or none; returns how many. Joins the caller's transaction.

    Args:
        finding_ids: see ``compliance.open_findings``. assigned_to: a known person; None: nobody any more.
        assigned_by: who says so; see ``core.persons``. note: what is to be said beside it.

    Raises:
        AssignmentRefused: one is not open in this workspace, nobody is known by that name, or the note is no short
            text; nothing is stored then.
        PersonUnclear: ``assigned_by`` names nobody.
    """
    asked = set(finding_ids)
    if not asked:
        raise AssignmentRefused("no finding is ticked; tick those that are to be assigned")
    said = (note or "").strip()
    if len(said) > LONGEST_NOTE or any(not (c.isprintable() or c in "\r\n\t") for c in said):
        raise AssignmentRefused(f"the note is no text of {LONGEST_NOTE} characters at most; shorten it")
    try:
        who = None if assigned_to is None else persons.named(connection, assigned_to)
    except PersonUnclear as unclear:
        raise AssignmentRefused(str(unclear)) from unclear
    parameters = {
        "workspace": workspace,
        "finding_ids": sorted(asked),
        "assigned_to": who,
        "note": said or None,
        "assigned_by": known_form(assigned_by),
    }
    with connection.transaction():
        rows = run_sql(connection, "registry/assign_findings.sql", parameters).fetchall()
        if len(rows) < len(asked):
            raise AssignmentRefused(
                f"{len(asked) - len(rows)} of {len(asked)} are no open findings of workspace {workspace} any more; "
                "nothing was assigned, look at the list anew"
            )
        for row in rows:
            if row["is_new"]:
                subject = f"finding of {row['test_id']} on {row['subject_id']}"
                after = {"assigned_to": who, "note": said or None}
                record(connection, assigned_by, "finding.assigned", subject, {"assigned_to": row["was"]}, after)
    return len(rows)
