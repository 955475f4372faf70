"""The package in OSCAL: an assessment plan, assessment results that import it, and a plan of action and milestones.

An observation for each test, a finding for each control, a risk for each failure that was open when the period ended:
never one for each of a population's changes, whose tables are beside. A control is ``satisfied`` only where it operated
without an exception. A failure whose risk somebody accepted is a risk with the status ``deviation-approved``. Items are
one a line, so that a document of any size is written without holding it in memory.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from bitbucket_compliance.core.database import Connection
from bitbucket_compliance.reporting.audit.files import Output, PackageFolder
from bitbucket_compliance.reporting.audit.model import AuditRequest
from bitbucket_compliance.reporting.audit.parts import PARTS
from bitbucket_compliance.reporting.audit.pseudonyms import Pseudonyms
from bitbucket_compliance.reporting.exports.model import one_line, stable_uuid, timestamp

VERSION: Final = "1.2.1"
_NAMESPACE: Final = "https://bitbucket-compliance.invalid/ns/oscal"
_PLAN: Final = "assessment-plan.json"
_ROWS_AT_A_TIME: Final = 2000
_Json = dict[str, Any]


def write_oscal(
    connection: Connection,
    folder: PackageFolder,
    request: AuditRequest,
    made_at: datetime,
    pseudonyms: Pseudonyms | None,
) -> None:
    """Write the three documents below ``oscal/``."""
    _Documents(connection, folder, request, made_at, pseudonyms).write()


class _Documents:
    def __init__(
        self,
        connection: Connection,
        folder: PackageFolder,
        request: AuditRequest,
        made_at: datetime,
        pseudonyms: Pseudonyms | None,
    ) -> None:
        self.connection, self.folder, self.request, self.pseudonyms = connection, folder, request, pseudonyms
        self.made_at = timestamp(made_at)
        self.period = f"{request.first_day} to {request.last_day}"
        self.controls = self._rows("controls")
        self.mapping = self._rows("mapping")

    def write(self) -> None:
        name = f"the Bitbucket workspace {self.request.workspace}, {self.period}"
        system = self.uuid("system")
        with self.folder.create(f"oscal/{_PLAN}") as out:
            plan = {
                **self.head("plan", f"Assessment plan of {name}"),
                "import-ssp": {"href": f"#{system}"},
                "reviewed-controls": self.reviewed(),
                "assessment-subjects": [{"type": "component", "include-all": {}}],
                "back-matter": {"resources": [self.system(system)]},
            }
            self.line(out, {"assessment-plan": plan})
        with self.folder.create("oscal/assessment-results.json") as out:
            out.write(b'{"assessment-results":{')
            head = {**self.head("results", f"Assessment results of {name}"), "import-ap": {"href": _PLAN}}
            out.write(_json(head)[1:-1].encode() + b',"results":[{')
            out.write(_json(self.result())[1:-1].encode())
            self.items(out, "observations", self.observations())
            self.items(out, "risks", self.risks(observed=True))
            self.items(out, "findings", self.findings())
            out.write(b"}]}}\n")
        with self.folder.create("oscal/plan-of-action-and-milestones.json") as out:
            out.write(b'{"plan-of-action-and-milestones":{')
            identifier = {"identifier-type": f"{_NAMESPACE}/workspace", "id": self.request.workspace}
            head = {**self.head("poam", f"Plan of action and milestones of {name}"), "system-id": identifier}
            out.write(_json(head)[1:-1].encode())
            self.items(out, "risks", self.risks(observed=False))
            # The schema wants an item even where there is nothing to do.
            self.items(
                out, "poam-items", self.poam_items(), empty={"title": "Nothing", "description": "Nothing is open."}
            )
            out.write(b"}}\n")

    def head(self, kind: str, title: str) -> _Json:
        return {
            "uuid": self.uuid(kind, self.made_at),
            "metadata": {
                "title": one_line(title),
                "last-modified": self.made_at,
                "version": self.made_at,
                "oscal-version": VERSION,
            },
        }

    def system(self, uuid: str) -> _Json:
        return {
            "uuid": uuid,
            "title": one_line(f"Bitbucket workspace {self.request.workspace}"),
            "description": "What is assessed: index.html of the package describes it. No OSCAL system security plan "
            "is kept.",
            "rlinks": [{"href": "../index.html"}],
        }

    def reviewed(self) -> _Json:
        by_framework: dict[str, list[_Json]] = {}
        for row in self.controls:
            by_framework.setdefault(row["framework"], []).append({"control-id": _token(row)})
        return {
            "control-selections": [
                {"description": framework, "include-controls": chosen} for framework, chosen in by_framework.items()
            ]
        }

    def result(self) -> _Json:
        return {
            "uuid": self.uuid("result", self.made_at),
            "title": one_line(f"{self.request.workspace}, {self.period}"),
            "description": "Controls over the period, by what security tests found on each day of it.",
            "start": timestamp(self.request.starts_at),
            "end": timestamp(self.request.ends_at),
            "reviewed-controls": self.reviewed(),
        }

    def observations(self) -> Iterator[_Json]:
        titles = {row["test_id"]: row["test_title"] for row in self.mapping}
        for test_id, title in titles.items():
            yield {
                "uuid": self.uuid("observation", test_id),
                "title": one_line(title),
                "description": f"The results of {test_id} on each day of the period: data/results.csv and "
                "data/findings.csv of the package.",
                "props": [_property("test-id", test_id)],
                "methods": ["TEST"],
                "types": ["control-objective"],
                "collected": self.made_at,
            }

    def findings(self) -> Iterator[_Json]:
        for row in self.controls:
            operated = row["state"] == "operated"
            reason = "pass" if operated else "fail" if row["state"] != "not observed" else "other"
            yield {
                "uuid": self.uuid("finding", row["framework"], row["control"]),
                "title": one_line(f"{row['framework']} {row['control']}: {row['state']}"),
                "description": f"{row['days_observed']} of {row['days']} days observed, {row['days_with_failures']} "
                f"with failures; {row['findings_opened']} failures found, {row['open_at_end']} open at the end, "
                f"{row['overdue_at_end']} of them overdue.",
                "props": [_property("state", row["state"]), _property("strength", row["strength"])],
                "target": {
                    "type": "objective-id",
                    "target-id": _token(row),
                    "description": one_line(row["control_title"]),
                    "status": {"state": "satisfied" if operated else "not-satisfied", "reason": reason},
                },
                "related-observations": [
                    {"observation-uuid": self.uuid("observation", test_id)} for test_id in row["tests"]
                ],
            }

    def risks(self, *, observed: bool) -> Iterator[_Json]:
        for row in self.open_failures():
            risk = {
                "uuid": self.uuid("risk", str(row["finding_id"])),
                "title": one_line(f"{row['test_id']}: {self.subject(row)}"),
                "description": f"{row['reason_code']}, found {timestamp(row['found_at'])}, severity {row['severity']}.",
                "statement": "Somebody accepted this risk: data/exceptions.csv says who, until when and why."
                if row["accepted"]
                else "Nobody accepted this risk.",
                "props": [_property("finding-id", str(row["finding_id"])), _property("severity", row["severity"])],
                "status": "deviation-approved" if row["accepted"] else "open",
                "deadline": timestamp(row["due_at"]),
            }
            if observed and row["test_id"] in {one["test_id"] for one in self.mapping}:
                risk["related-observations"] = [{"observation-uuid": self.uuid("observation", row["test_id"])}]
            yield risk

    def poam_items(self) -> Iterator[_Json]:
        for row in self.open_failures():
            yield {
                "uuid": self.uuid("poam", str(row["finding_id"])),
                "title": one_line(f"{row['test_id']}: {self.subject(row)}"),
                "description": f"{'Accepted' if row['accepted'] else 'To be mended'} until {timestamp(row['due_at'])}.",
                "related-risks": [{"risk-uuid": self.uuid("risk", str(row["finding_id"]))}],
            }

    def open_failures(self) -> Iterator[_Json]:
        """What failed as the period ended, a few rows at a time."""
        [part] = [one for one in PARTS if one.name == "findings"]
        still_there = "ended_at IS null OR ended_at >= %(ends_at)s"
        query = f"SELECT * FROM ({part.query.decode()}) AS part WHERE {still_there}"  # noqa: S608  # nosec B608 - own files
        with self.connection.cursor("open_failures") as cursor:
            cursor.itersize = _ROWS_AT_A_TIME
            yield from cursor.execute(query.encode(), self.request.keys)

    def items(self, out: Output, name: str, items: Iterable[_Json], empty: _Json | None = None) -> None:
        """A further member, a list with one item a line; nothing where it is empty, as the schema wants it."""
        before = f',\n"{name}":[\n'.encode()
        for item in items:
            out.write(before)
            self.line(out, item)
            before = b","
        if before != b",":
            if empty is None:
                return
            out.write(before)
            self.line(out, empty)
        out.write(b"]")

    def line(self, out: Output, value: _Json) -> None:
        out.write(_json(value).encode() + b"\n")

    def subject(self, row: Mapping[str, Any]) -> str:
        """What a failure is about: all else in these documents names nobody."""
        name = row["subject_name"] or row["subject_id"]
        return self.pseudonyms.hide(name) if self.pseudonyms else name

    def uuid(self, *parts: str) -> str:
        return stable_uuid("audit", self.request.workspace, self.period, *parts)

    def _rows(self, name: str) -> Sequence[Mapping[str, Any]]:
        [part] = [one for one in PARTS if one.name == name]
        return self.connection.execute(part.query, self.request.keys).fetchall()


def _property(name: str, value: str) -> _Json:
    return {"name": name, "ns": _NAMESPACE, "value": one_line(value)}


def _token(row: Mapping[str, Any]) -> str:
    """An id of a control as OSCAL wants them: a letter first, then letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{row['framework']}_{row['control']}")


def _json(value: _Json) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
