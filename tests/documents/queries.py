"""Write ``docs/queries.md``: each question, its statement, its answer on the demo workspace; part of ``make docs``."""

from __future__ import annotations

import html
import json
import os
import sys
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from tests.documents.questions import READER, Query, queries

ROOT = Path(__file__).resolve().parents[2]
TARGET = ROOT / "docs" / "queries.md"
ROWS_SHOWN = 10
Answers = Mapping[str, tuple[list[str], list[list[str]]]]

_HEAD = """\
<!-- Written by `make docs` from reporting/queries, with answers of the demo workspace: change the queries there. -->

# Fifteen questions, answered

One statement answers each question, for the role `compliance_reader`; if it needs another role, the text says so.
The statements are files in `reporting/queries`, and the tests run them. The answers are those of the demo workspace
after runs on 19 February, 16 March and 31 March 2026, asked on 31 March; of long answers the first ten rows are shown.
The [data dictionary](data-dictionary.md) says what each column means. Days are days in UTC.
"""


def document(answers: Answers) -> str:
    """The whole page as Markdown."""
    parts = [_HEAD]
    parts += ["\n".join(_section(number, query, *answers[query.name])) for number, query in enumerate(queries(), 1)]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _section(number: int, query: Query, names: list[str], rows: list[list[str]]) -> Iterator[str]:
    yield f"## {number}. {query.question}"
    yield ""
    yield query.purpose
    yield from query.remarks
    for role in query.roles:
        if role != READER:
            yield f"This one needs the role `{role}` as well."
    yield ""
    yield "```sql"
    yield query.statement
    yield "```"
    yield ""
    yield "| " + " | ".join(names) + " |"
    yield "|" + "---|" * len(names)
    for row in rows[:ROWS_SHOWN]:
        yield "| " + " | ".join(map(_cell, row)) + " |"
    yield ""
    yield f"{len(rows)} row{'' if len(rows) == 1 else 's'}" + (
        ", the first ten shown." if len(rows) > ROWS_SHOWN else "."
    )


def _cell(text: str) -> str:
    """Names are whatever Bitbucket's users typed: no markup, and no character that turns the line around."""
    plain = "".join(one for one in text if unicodedata.category(one) not in ("Cf", "Cc"))
    return html.escape(plain, quote=False).replace("|", "\\|").replace("*", "\\*")


def main() -> int:
    """Let the six weeks pass in an embedded Postgres, ask, and write the page."""
    with tempfile.TemporaryDirectory() as folder:
        # Before anything imports Airflow.
        os.environ |= {
            "AIRFLOW_HOME": f"{folder}/airflow",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "COMPLIANCE_EVIDENCE_URL": f"file://{folder}/evidence",
        }
        os.environ.pop("COMPLIANCE_POLICY_FILE", None)
        TARGET.write_text(document(_asked(Path(folder))), encoding="utf-8")
    print(f"wrote {TARGET.relative_to(ROOT)}")
    return 0


def _asked(folder: Path) -> Answers:
    from bitbucket_compliance.security_tests.upgrade import upgrade
    from local.postgres import EmbeddedPostgres
    from local.postgres_cluster import ADMIN_ROLE
    from sandbox.process import SandboxServer
    from tests.harness import Pipeline, bitbucket_connection, without_gates
    from tests.reporting.story import answers, tell

    def connect_to(server: SandboxServer, grant: str = "admin", **extra: object) -> None:
        os.environ["AIRFLOW_CONN_BITBUCKET_DEFAULT"] = json.dumps(bitbucket_connection(server.url, grant, **extra))

    postgres = EmbeddedPostgres(folder / "postgres")
    try:
        postgres.start()
        upgrade(postgres.uri())
        os.environ["AIRFLOW_CONN_COMPLIANCE_POSTGRES"] = postgres.uri()
        with without_gates(), SandboxServer(workload="demo") as server:
            pipeline = Pipeline(postgres.uri(), connect_to)
            today: date = tell(pipeline, server, postgres.uri(user=ADMIN_ROLE), folder)
        return answers(postgres.uri(user=ADMIN_ROLE), today)
    finally:
        postgres.delete()


if __name__ == "__main__":
    sys.exit(main())
