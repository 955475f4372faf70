"""The chain behind a verdict as text for a terminal or a ticket: one heading a link, from landing row to reason."""

import json
import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from bitbucket_compliance.core.printable import printable
from bitbucket_compliance.reporting.explain.chain import Chain, Row
from bitbucket_compliance.security_tests.model import Reason

WIDTH = 110
BODIES_SHOWN = 12
_LABEL = 11

_BASIS = {
    "configuration": "The configuration could be read, so it decides.",
    "behaviour": "What was done decides.",
    "evidence": "Accepted evidence decides: no public endpoint shows this, or it could not be read.",
    "registry": "What people declared decides.",
    None: "Nothing could decide.",
}
# How a published interval can end without a verdict of the catalogue.
_ABSENCES = {
    "removed_or_invisible": "A complete listing no longer named the subject.",
    "test_disabled": "The policy switched the test off.",
}


def render(chain: Chain) -> str:
    """The whole text, without a final line break."""
    return "\n".join(map(printable, _lines(chain)))


def _lines(chain: Chain) -> Iterator[str]:
    verdict = chain.verdict
    yield f"{chain.test.title}"
    subject = f"{verdict['subject_name']} {verdict['subject_id']}"
    yield f"{verdict['subject_type']} {subject} in workspace {verdict['workspace']}"
    yield ""
    yield from _block("verdict", f"{verdict['status']}, {verdict['reason_code']}, {_span(verdict)}")
    yield from _block("reason", verdict["reason"])
    yield from _block("meaning", _meaning(chain))
    yield from _block("basis", _basis(chain))
    if chain.exception:
        yield from _block("exception", _exception(chain.exception))
    yield from _block("policy", _policy(chain))
    yield from _block("facts", f"sha256 {verdict['facts_hash']}")
    yield ""
    yield from _called(chain)
    yield from _landed(chain)
    yield from _declared(chain)
    yield from _next_steps(chain)
    yield "how it went, newest first"
    for row in chain.intervals:
        covered = f", exception {row['exception_id']}" if row["exception_id"] else ""
        yield f"  {_at(row['valid_from'])} to {_at(row['valid_to'])}  {row['status']}, {row['reason_code']}{covered}"


def _block(label: str, text: str) -> Iterator[str]:
    wrapped = textwrap.wrap(text, WIDTH - _LABEL, break_long_words=False, break_on_hyphens=False) or [""]
    yield f"{label:<{_LABEL}}{wrapped[0]}"
    yield from (" " * _LABEL + line for line in wrapped[1:])


def _at(moment: datetime | None) -> str:
    return "now             " if moment is None else f"{moment:%Y-%m-%d %H:%M}"


def _span(verdict: Row) -> str:
    until = "and still so" if verdict["valid_to"] is None else f"until {_at(verdict['valid_to'])}"
    return f"since {_at(verdict['valid_from'])} {until} (UTC); reached by run {verdict['run_id']}"


def _reason(chain: Chain) -> Reason | None:
    return chain.test.every_reason.get(chain.verdict["reason_code"])


def _meaning(chain: Chain) -> str:
    code = chain.verdict["reason_code"]
    reason = _reason(chain)
    return reason.meaning if reason else _ABSENCES.get(code, "a reason code of an earlier version")


def _basis(chain: Chain) -> str:
    basis = chain.verdict["basis"]
    text = _BASIS.get(basis, "")
    configuration = chain.verdict["detail"].get("configuration", "not asked for")
    # What goes around a rule decides although the rule could be read.
    if basis == "behaviour" and configuration != "ok":
        text = f"The configuration can't be read ({configuration}), so what was done decides."
    read = chain.verdict["data_as_of"]
    return text + (f" The oldest data behind it was read at {_at(read)} UTC." if read else "")


def _policy(chain: Chain) -> str:
    thresholds = ", ".join(f"{name} {_plain(value)}" for name, value in chain.thresholds.items())
    return f"version {chain.verdict['policy_version']}" + (f": {thresholds}" if thresholds else "")


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _exception(row: Row) -> str:
    return (
        f"{row['exception_id']} covers it until {_at(row['expires_at'])} UTC: {row['reason']} "
        f"(owner {row['owner']}, accepted by {row['decided_by']} at {_at(row['decided_at'])})"
    )


def _called(chain: Chain) -> Iterator[str]:
    yield "what was asked of Bitbucket"
    if not chain.calls:
        yield "  the record of these calls is no longer kept; the bodies below and the detail of the verdict are"
    for call in chain.calls:
        outcome = call["outcome"] if call["outcome"] != "ok" or call["complete"] else "ok, but incomplete"
        status = f" ({call['http_status']})" if call["http_status"] and call["outcome"] != "ok" else ""
        found = f", {call['items']} objects" if call["outcome"] == "ok" else ""
        said = f": {call['message']}" if call["message"] else ""
        yield from _indented(f"{call['resource']}: {outcome}{status}{found}, at {_at(call['fetched_at'])}{said}")
    yield ""


def _landed(chain: Chain) -> Iterator[str]:
    deciding = [body for body in chain.bodies if _decides(chain, body)]
    yield f"landing rows it rests on: {len(deciding)}, of {len(chain.bodies)} on the subject"
    if not chain.bodies:
        yield "  none are kept from then (policy: thresholds.bodies_kept_days)"
    for body in deciding[:BODIES_SHOWN]:
        key = "" if body["resource"] == "member_emails" else f" {body['object_key']}"
        yield from _indented(f"{body['resource']}{key}")
        yield from _indented(
            f"seen {_at(body['first_fetched_at'])} to {_at(body['fetched_at'])}, sha256 {body['body_hash']}", 4
        )
        yield from _indented(_shown(body), 4)
    if len(deciding) > BODIES_SHOWN:
        yield f"  … and {len(deciding) - BODIES_SHOWN} more"
    yield ""


def _decides(chain: Chain, body: Row) -> bool:
    """Whether the verdict rests on a landed object: the rules that matched, the merges that were looked at."""
    detail = chain.verdict["detail"]
    content = body["body"]
    if body["resource"] == "branch_restrictions":
        return content.get("id") in {rule.get("id") for rule in detail.get("rules") or []}
    if body["resource"] == "pull_requests":
        return content.get("id") in _merges(detail)
    if body["resource"] in ("pull_request_statuses", "pull_request_activity"):
        return content.get("pull_request_id") in _merges(detail)
    return True


def _merges(detail: dict[str, Any]) -> set[Any]:
    broken = detail.get("merges_that_broke_the_rule") or []
    # Where merges broke the rule, these decided; otherwise all that were looked at did.
    return set(broken or detail.get("merges") or [])


def _shown(body: Row) -> str:
    if body["resource"] == "member_emails":
        return "a declared address that Bitbucket confirmed for this member (not shown)"
    return json.dumps(body["body"], ensure_ascii=False, sort_keys=True)


def _declared(chain: Chain) -> Iterator[str]:
    lines = [*_evidence(chain.evidence), *_entry(chain.entry), *_rosters(chain.rosters)]
    if lines:
        yield "what people declared"
        for line in lines:
            yield from _indented(line)
        yield ""


def _evidence(row: Row | None) -> Iterator[str]:
    if row:
        about = f" {', '.join(row['targets'])}" if row["targets"] else ""
        yield (
            f"evidence {row['evidence_id']}: {row['kind']} about the {row['scope']}{about}, captured on "
            f"{row['captured_on']}, submitted by {row['submitted_by']} at {_at(row['submitted_at'])}, accepted by "
            f"{row['decided_by']} at {_at(row['decided_at'])}; now {row['status']}; file {row['file_name']}, "
            f"sha256 {row['file_sha256']}"
        )


def _entry(row: Row | None) -> Iterator[str]:
    if row:
        source = f" from {row['file_name']}" if row["file_name"] else ""
        sensitivity = f", {row['sensitivity']}" if row["sensitivity"] else ""
        yield (
            f"{row['target_type']} {row['target']}: {row['classification']}{sensitivity}, set by "
            f"{row['declared_by']} at {_at(row['declared_at'])}{source}"
        )


def _rosters(rows: list[Row]) -> Iterator[str]:
    for row in rows:
        lines = ", ".join(map(str, row["lines"] or [])) or "none"
        refused = (
            row["refused_lines"] and f"; refused lines that name them: {', '.join(map(str, row['refused_lines']))}"
        )
        name = f", called {row['roster_name']}," if len(rows) > 1 else ""
        yield (
            f"roster {row['file_name']}{name} of {row['row_count']} people, imported by {row['imported_by']} at "
            f"{_at(row['imported_at'])}; lines that name this member by account id or address: {lines}{refused or ''} "
            "(what they say is for compliance_people_reader)"
        )


def _next_steps(chain: Chain) -> Iterator[str]:
    reason = _reason(chain)
    if reason is None or reason.remediation is None:
        return
    yield "what to do"
    yield from _indented(reason.remediation)
    detail = chain.verdict["detail"]
    known = {
        "workspace": chain.verdict["workspace"],
        "repo_slug": chain.verdict["subject_name"],
        "main_branch": detail.get("main_branch"),
        **chain.thresholds,
    }
    missing = detail.get("missing")
    calls = [call for call in reason.api_calls if not missing or call.body.get("kind") in missing]
    for call in calls:
        body = {key: _filled(value, known) for key, value in call.body.items()}
        yield from _indented(f"by the API: {call.method} /2.0{_filled(call.path, known)} {json.dumps(body)}")
    yield ""


def _filled(value: Any, known: dict[str, Any]) -> Any:
    """A value with its placeholders filled in; a lone placeholder takes the type of what fills it."""
    if not isinstance(value, str):
        return value
    if value.startswith("{") and value.endswith("}") and value[1:-1] in known:
        return known[value[1:-1]]
    for name, text in known.items():
        value = value.replace("{" + name + "}", str(text))
    return value


def _indented(text: str, by: int = 2) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * by,
        subsequent_indent=" " * (by + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
