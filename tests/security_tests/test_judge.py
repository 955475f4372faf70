"""What judge adds to a verdict, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bitbucket_compliance.core.errors import VerdictRefused
from bitbucket_compliance.security_tests import BY_ID
from tests.security_tests.builders import World


def test_status_and_basis_follow_from_the_reason_code(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    test = BY_ID["repo_classified"]
    otherwise = replace(test.reasons["unclassified"], status="pending", basis=None)
    monkeypatch.setitem(BY_ID, test.test_id, replace(test, reasons={**test.reasons, "unclassified": otherwise}))
    world.repository("payments")
    verdict = world.judge(test.test_id)["payments"]
    assert (verdict["status"], verdict["basis"], verdict["reason_code"]) == ("pending", None, "unclassified")


def test_a_reason_code_that_the_test_does_not_list_is_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    test = BY_ID["repo_classified"]
    listed = {code: reason for code, reason in test.reasons.items() if code != "unclassified"}
    monkeypatch.setitem(BY_ID, test.test_id, replace(test, reasons=listed))
    world.repository("payments")
    with pytest.raises(VerdictRefused, match=r"repo_classified: .*visibility_conflict.*unclassified"):
        world.judge(test.test_id)
