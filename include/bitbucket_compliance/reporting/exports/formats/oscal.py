"""OSCAL assessment results: one document, one result, validated piece by piece by the models of compliance-trestle.

What is where:

- an *observation* for each verdict: its sentence, method (TEST where the pipeline looked, EXAMINE where it judged what
  people declared or uploaded, UNKNOWN where nothing decided), the subject, when the data was read and until when it may
  be relied on, and everything of the verdict as properties in the namespace ``NAMESPACE``;
- a *finding* for each test, whose target is the test as an objective. It is ``satisfied`` only where every subject
  that the test applies to passes on data that is fresh. A failure makes it ``not-satisfied`` with reason ``fail``. What
  could not be decided (pending, error, stale) makes it ``not-satisfied`` with reason ``other``: the model knows no
  third state, and only a satisfied objective may look so. A test that applies to nobody has observations, no finding;
- a *risk* for each accepted exception (status ``deviation-approved``, its expiry as the deadline), which the
  observations it covers and the findings of their tests belong to;
- the *reviewed controls*: those of frameworks that the tests give evidence for. No finding is about one of them, for a
  test is a part of what a control asks for;
- the subjects as inventory items (repositories), users (members) and a component (the workspace).

Uuids are made of what they identify, so the same snapshot gives the same bytes. Observations, findings and subjects are
one per line, so that a document of any size is written and read back without holding it in memory.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any, Final

from trestle.core.base_model import OscalBaseModel
from trestle.oscal.assessment_results import Model
from trestle.oscal.common import Finding, InventoryItem, Observation, Risk, SystemUser

from bitbucket_compliance.reporting.exports.formats import oscal_parts as parts
from bitbucket_compliance.reporting.exports.model import Counts, Snapshot, Verdict

_Item = dict[str, Any]
# The lists whose items are one per line, and their models.
_LISTS: Final[Mapping[str, type[OscalBaseModel]]] = {
    "observations": Observation,
    "risks": Risk,
    "inventory-items": InventoryItem,
    "users": SystemUser,
    "findings": Finding,
}


def write(file: IO[bytes], snapshot: Snapshot, verdicts: Iterable[Verdict]) -> None:
    """See ``Format``."""
    subjects: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    observed: dict[str, list[str]] = defaultdict(list)
    stale: Counts = Counts()
    accepted: dict[str, tuple[Verdict, list[str]]] = {}

    def observations() -> Iterator[_Item]:
        for verdict in verdicts:
            item = parts.observation(snapshot, verdict)
            observed[verdict.test_id].append(item["uuid"])
            subjects[verdict.subject_type][parts.subject_uuid(verdict)] = (verdict.subject_id, verdict.subject_name)
            if verdict.exception_id:
                accepted.setdefault(verdict.exception_id, (verdict, []))[1].append(item["uuid"])
            stale[verdict.test_id, verdict.status] += verdict.is_stale
            yield item

    out = _Writer(file)
    out.text('{"assessment-results": {')
    out.members(parts.document(snapshot))
    out.text(',\n"results": [{')
    out.members(parts.result(snapshot))
    out.items("observations", observations())
    out.items("risks", parts.risks(snapshot, accepted))
    out.items("findings", parts.findings(snapshot, observed, stale, accepted))
    out.text(',\n"local-definitions": {')
    out.members(parts.definitions(subjects["workspace"]))
    out.items("inventory-items", parts.inventory_items(subjects["repository"]))
    out.items("users", parts.users(subjects["member"]))
    out.text("}}],\n")
    out.members(parts.back_matter(snapshot))
    out.text("}}\n")


def count(file: IO[bytes]) -> Counts:
    """See ``Format``; raises pydantic's error where a piece is not OSCAL."""
    found = Counts()
    skeleton: list[str] = []
    for name, line in _lines(file):
        if name is None:
            skeleton.append(line)
            continue
        item = json.loads(line.rstrip(",\n"))
        _LISTS[name].model_validate(item)
        if skeleton[-1] == _opening(name):
            # The first item of each list is kept, so that the document around the lists is valid.
            skeleton.append(json.dumps(item) + "\n")
        if name == "observations":
            found[parts.property_of(item, "test-id"), parts.property_of(item, "status")] += 1
    Model.model_validate(json.loads("".join(skeleton)))
    return found


def _lines(file: IO[bytes]) -> Iterator[tuple[str | None, str]]:
    """Each line with the list that it is an item of."""
    openings = {_opening(name): name for name in _LISTS}
    within: str | None = None
    for raw in file:
        line = raw.decode()
        if not line.startswith("{"):
            within = None
        yield within, line
        within = openings.get(line, within)


def _opening(name: str) -> str:
    return f'"{name}": [\n'


class _Writer:
    """Writes JSON piece by piece, and validates the items of lists."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def text(self, text: str) -> None:
        """Write text unchanged."""
        self._file.write(text.encode())

    def members(self, values: Mapping[str, Any]) -> None:
        """Names and values of an object whose braces are written elsewhere."""
        self.text(_json(values)[1:-1])

    def items(self, name: str, items: Iterable[_Item]) -> None:
        """A further member, a list with one item per line; nothing where it is empty, as the schema wants it."""
        before = f",\n{_opening(name)}"
        for item in items:
            _LISTS[name].model_validate(item)
            self.text(f"{before}{_json(item)}")
            before = ",\n"
        if before == ",\n":
            self.text("\n]")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
