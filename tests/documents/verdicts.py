"""Write ``docs/verdicts.md`` and ``docs/policy.md`` from the catalogue and the pages beside it: ``make docs``."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill

from bitbucket_compliance.pipeline.extract.preflight import bases_available, missing_scopes
from bitbucket_compliance.security_tests import CATALOGUE
from bitbucket_compliance.security_tests.model import SecurityTest
from bitbucket_compliance.security_tests.policies import keys
from sandbox.state import FIVE_SCOPES, closure

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WIDTH = 124  # of a line of text
POLICY_PAGE = ROOT / "docs" / "policy.md"
TARGET = ROOT / "docs" / "verdicts.md"
_OPEN = "merge checks of an open pull request"
_REWRITTEN = "rewritten history that a webhook told of"
_NOT_BY_HAND = "<!-- Written by `make docs` from include/bitbucket_compliance/security_tests: change it there. -->"


def document() -> str:
    """The whole page as Markdown."""
    parts = [_NOT_BY_HAND, (HERE / "verdicts.md").read_text(encoding="utf-8").strip()]
    parts += ["\n".join(_grants()), *("\n".join(_section(test)) for test in CATALOGUE)]
    return "\n\n".join(parts) + "\n"


_POLICY_HEAD = """\
<!-- Written by `make docs` from include/bitbucket_compliance: the defaults of a test stand in its folder below
security_tests, those that tests share in policy/model.py. -->

# Policy

The policy says which tests run, how severe a failure is, and what every threshold is. A YAML file that
`COMPLIANCE_POLICY_FILE` names changes single keys for all workspaces. The page Policy of the [console](console.md), or
`make policy WORKSPACE=slug FILE=overrides.yaml REASON="why"`, changes them for one workspace. A key that is not named
keeps its default; an unknown key is refused, and the message names it. Each result names the version of the policy that
it was judged by. `registry.policy_versions` keeps every version; the console shows each under `policies/VERSION`.

```yaml
tests:
  pipelines_enabled: {enabled: true, severity: high}
thresholds:
  min_approvals: 2
```

| key | default | meaning |
|---|---|---|
"""


def policy_page() -> str:
    """The page of the policy's keys as Markdown."""
    rows = (f"| `{key.name}` | `{json.dumps(key.default)}` | {_cell(key.meaning)} |" for key in keys())
    return _POLICY_HEAD + "\n".join(rows) + "\n"


def _grants() -> Iterator[str]:
    """Which grant decides each test by what."""
    five = closure(FIVE_SCOPES)
    yield "## What each grant lets be decided"
    yield ""
    yield (
        "In the order of the rules above. The five scopes are those of the README's step 1, without "
        "`repository:admin`. What no listing shows is never guessed."
    )
    yield ""
    yield "| test | the five scopes | and `repository:admin` |"
    yield "|---|---|---|"
    for test in CATALOGUE:
        yield f"| `{test.test_id}` | {_able(test, five)} | {_able(test, five | {'repository:admin'})} |"


def _able(test: SecurityTest, granted: frozenset[str]) -> str:
    """What decides, in the order of the rules; what is named first goes before the rest."""
    available = bases_available(test, granted)
    if "configuration" not in available:
        return ", ".join(basis for basis, lack in available.items() if lack is None)
    if not missing_scopes(test.bases["configuration"], granted):
        if test.merge_rule:
            return f"own rules; where they fall short, {_OPEN}, then evidence about the project"
        if "history_rewritten" in test.reasons:
            return f"own rules, where {_REWRITTEN} makes them fail; where they fall short, evidence about the project"
        return "the repository's own setting"
    if test.merge_rule:
        return f"{_OPEN}; else a merge that breaks the rule (fails), evidence, clean merges (pass)"
    if "history_rewritten" in test.reasons:
        return f"{_REWRITTEN} (fails), evidence; else undecided"
    return "evidence, behaviour (passes); else undecided"


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
    if test.thresholds:
        yield f"**Thresholds of the policy**: {', '.join(f'`{name}`' for name in test.thresholds)}"
        yield ""
    yield "| reason code | status | means | what to do |"
    yield "|---|---|---|---|"
    for code, reason in test.every_reason.items():
        yield f"| `{code}` | {reason.status} | {_cell(reason.meaning)} | {_cell(reason.remediation or '')} |"
    yield ""
    yield "| framework | control | strength | beside what the test sees, the control |"
    yield "|---|---|---|---|"
    for control in test.controls:
        yield f"| {control.framework.name} | {control.control} | {control.strength} | {_cell(control.note or '')} |"


def _bases(test: SecurityTest) -> str:
    also = ["evidence"] if any(reason.basis == "evidence" for reason in test.reasons.values()) else []
    return ", ".join(f"`{basis}`" for basis in dict.fromkeys([*test.bases, *also]))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write the pages."""
    for target, text in ((TARGET, document()), (POLICY_PAGE, policy_page())):
        target.write_text(text, encoding="utf-8")
        print(f"wrote {target.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
