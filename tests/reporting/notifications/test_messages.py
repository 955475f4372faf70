"""How messages read: names that others chose can't mention, mark up, break lines, hide or be rendered as a template."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitbucket_compliance.reporting.notifications import escaping
from bitbucket_compliance.reporting.notifications.changes import Change
from bitbucket_compliance.reporting.notifications.render import LISTED, render
from bitbucket_compliance.reporting.notifications.send import send
from bitbucket_compliance.reporting.notifications.settings import Settings
from tests.reporting.notifications.conftest import Connect
from tests.reporting.notifications.receivers import WebReceiver

Escape = Callable[[str], str]
CHANNELS = pytest.mark.parametrize("escape", [escaping.plain, escaping.mentionless, escaping.slack])
DAY = datetime(2026, 3, 31, tzinfo=UTC)
CHANGE = Change(
    kind="failing",
    change_key="failing|acme|1",
    workspace="acme",
    occurred_at=DAY,
    test_id="peer_review_required",
    test_title="Reviewed by peers",
    severity="high",
    subject_type="repository",
    subject_id="{1}",
    subject_name="payments",
    reason="No rule asks for it.",
    due_at=DAY,
)


def test_a_message_reads_like_this() -> None:
    changes = [
        CHANGE,
        replace(CHANGE, kind="reopened", change_key="2", subject_name="ledger", reason="facts_changed"),
        replace(CHANGE, kind="overdue", change_key="3", subject_name="billing"),
        replace(CHANGE, kind="expiring", change_key="4", subject_name="mfa.csv", reason=None),
        replace(CHANGE, kind="fixed", change_key="5", subject_name="website", reason=None),
    ]
    message = render(changes, escaping.plain)
    assert message.subject == (
        "Bitbucket compliance, acme: 1 newly failing, 1 re-opened, 1 overdue, 1 evidence expiring, 1 fixed"
    )
    assert message.text == (
        f"{message.subject}\n"
        "\n"
        "Newly failing (1):\n"
        "- [high] payments: Reviewed by peers. No rule asks for it. Due on 2026-03-31.\n"
        "\n"
        "Re-opened: a risk is no longer accepted (1):\n"
        "- [high] ledger: Reviewed by peers; the exception ended (other facts came up)\n"
        "\n"
        "Overdue (1):\n"
        "- [high] billing: Reviewed by peers; was due on 2026-03-31\n"
        "\n"
        "Evidence that expires within 14 days (1):\n"
        "- [high] mfa.csv: Reviewed by peers is supported until 2026-03-31\n"
        "\n"
        "Fixed (1):\n"
        "- [high] website: Reviewed by peers\n"
        "\n"
        "All that is open: view compliance.open_findings.\n"
    )


def test_a_long_list_is_cut_and_counted() -> None:
    many = [replace(CHANGE, change_key=str(n), subject_name=f"repo-{n}") for n in range(LISTED + 100)]
    text = render(many, escaping.plain).text
    assert text.count("- [high]") == LISTED
    assert "Newly failing (120):" in text and "- and 100 more" in text
    assert len(render([replace(one, reason="x" * 5000) for one in many], escaping.slack).text) < 40_000


def test_the_key_is_the_same_for_the_same_changes_in_any_order() -> None:
    other = replace(CHANGE, change_key="other")
    assert render([CHANGE, other], escaping.plain).key == render([other, CHANGE], escaping.plain).key
    assert render([CHANGE], escaping.plain).key != render([other], escaping.plain).key


@pytest.mark.slow
@CHANNELS
@settings(deadline=None, derandomize=True, max_examples=80)
@given(name=st.text(max_size=60), reason=st.text(max_size=60))
def test_no_name_adds_a_line_or_a_character_that_hides(escape: Escape, name: str, reason: str) -> None:
    calm = render([CHANGE], escape).text.splitlines()
    text = render([replace(CHANGE, subject_name=name, reason=reason)], escape).text
    assert len(text.splitlines()) == len(calm)
    joiner = "\u2060" if escape is not escaping.plain else ""
    for character in text.replace("\n", "").replace(f"@{joiner}", "@"):
        assert unicodedata.category(character) not in ("Cc", "Zl", "Zp", "Cs")
        assert character not in "\u200b\u202e\u2066\ufeff\u2060"


@pytest.mark.parametrize(
    "name", ["@channel", "@here", "a@everyone", "<!channel>", "<@U123>", "<http://x|bank>", "&lt;!here>"]
)
def test_slack_sees_neither_mentions_nor_markup(name: str) -> None:
    text = render([replace(CHANGE, subject_name=name, reason=name)], escaping.slack).text
    assert "<" not in text and ">" not in text
    assert not any(mention in text for mention in ("@channel", "@here", "@everyone", "@U123"))
    assert "&lt;" not in render([CHANGE], escaping.slack).text


def test_a_name_is_never_rendered_as_a_template(web: WebReceiver, connect: Connect) -> None:
    connect("chat", "http", web.port)
    name = "{{ 7 * 7 }}{% for x in y %}"
    send([replace(CHANGE, subject_name=name)], Settings(conn_id="chat"))
    assert name in web.posted[0].json["text"] and "49" not in web.posted[0].json["text"]


def test_programs_get_names_exactly_as_they_are() -> None:
    name = "a\n<b>@channel"
    assert render([replace(CHANGE, subject_name=name)], escaping.slack).data["changes"][0]["subject_name"] == name


def test_notifications_are_off_until_a_connection_is_named() -> None:
    off = Settings.from_environment({})
    assert not off.after_each_run and not off.daily
    on = Settings.from_environment({"COMPLIANCE_NOTIFY_CONN_ID": "chat"})
    assert on.after_each_run and not on.daily
    digest = Settings.from_environment({"COMPLIANCE_NOTIFY_CONN_ID": "chat", "COMPLIANCE_NOTIFY_DIGEST": "Daily"})
    assert digest.daily and not digest.after_each_run
