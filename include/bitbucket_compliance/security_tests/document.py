"""Write ``docs/verdicts.md`` from the catalogue and the page beside it: ``make docs``."""

import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest

HERE = Path(__file__).parent
WIDTH = 124  # of a line of text
TARGET = HERE.parents[2] / "docs" / "verdicts.md"
_NOT_BY_HAND = "<!-- Written by `make docs` from include/bitbucket_compliance/security_tests: change it there. -->"


def document() -> str:
    """The whole page as Markdown."""
    parts = [_NOT_BY_HAND, (HERE / "page.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join(_section(test)) for test in CATALOGUE]
    return "\n\n".join(parts) + "\n"


def _section(test: SecurityTest) -> Iterator[str]:
    yield f"## {test.order}. {test.title}"
    yield ""
    yield f"`{test.test_id}` · {test.severity} · of each {test.subject_type} · basis {_bases(test)}"
    yield ""
    yield test.description
    yield ""
    for paragraph in (test.rationale, *test.how_decided):
        yield fill(paragraph, WIDTH, break_on_hyphens=False)
        yield ""
    yield "**What it can't see**"
    yield ""
    yield from (f"- {sentence}" for sentence in test.cannot_see)
    yield ""
    if test.numbers:
        yield f"**Numbers of the policy**: {', '.join(f'`{name}`' for name in test.numbers)}"
        yield ""
    yield "| reason code | status | means | what to do |"
    yield "|---|---|---|---|"
    for code, reason in test.reasons.items():
        yield f"| `{code}` | {reason.status} | {_cell(reason.meaning)} | {_cell(reason.remediation or '')} |"
    yield ""
    yield "| framework | controls | strength |"
    yield "|---|---|---|"
    yield from _controls(test)


def _bases(test: SecurityTest) -> str:
    given = {reason.basis for reason in test.reasons.values()}
    return ", ".join(f"`{basis}`" for basis in dict.fromkeys([*test.bases, *(["evidence"] if "evidence" in given else [])]))


def _controls(test: SecurityTest) -> Iterator[str]:
    groups: dict[tuple[str, str], list[str]] = {}
    for control in test.controls:
        note = f" ({control.note})" if control.note else ""
        groups.setdefault((control.framework.name, control.strength), []).append(control.control + note)
    for (framework, strength), numbers in groups.items():
        yield f"| {framework} | {_cell(', '.join(numbers))} | {strength} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the page."""
    TARGET.write_text(document(), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(HERE.parents[2])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
