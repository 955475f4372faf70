"""Pull request histories of the demo, by name: what teams really did.

Each entry of :data:`HISTORIES` makes the pull requests of one repository; the comment says what a judge
should make of it. Ages are days before today; the window judged is 90 days and the newest five.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sandbox.build import Pulls
from sandbox.model import Account


@dataclass(frozen=True)
class Desk:
    """What a history is written with: the collector, the people who write and review, and the default branch."""

    pulls: Pulls
    author: Account
    peer: Account
    other: Account
    app: Account
    main: str

    def good(self, *ages: float) -> None:
        """Merged pull requests with a peer's approval and a successful build, oldest first."""
        for age in sorted(ages, reverse=True):
            self.pulls.add(
                age=age,
                author=self.author,
                approved_by=[self.peer],
                commented_by=[self.other],
                into=self.main,
            )

    def merged(
        self, age: float, approved_by: Sequence[Account | None], builds: Sequence[str] = ("SUCCESSFUL",)
    ) -> None:
        """One merged pull request with these approvals and builds."""
        self.pulls.add(age=age, author=self.author, approved_by=approved_by, builds=builds, into=self.main)


Writer = Callable[[Desk], object]


def _bad_build(*builds: str) -> Writer:
    def write(desk: Desk) -> None:
        desk.good(20, 30, 40, 50, 60)
        desk.merged(6, [desk.peer], builds)
        desk.good(3)

    return write


def _approved_by(choose: Callable[[Desk], list[Account | None]]) -> Writer:
    def write(desk: Desk) -> None:
        desk.good(25, 35, 45)
        desk.merged(8, choose(desk))
        desk.good(4, 5)

    return write


def _clean(desk: Desk) -> None:
    desk.merged(140, [], ["FAILED"])  # before the window: nobody's business
    desk.good(5, 15, 25, 35, 55, 85)
    desk.pulls.add(age=1, author=desk.author, state="OPEN", builds=["INPROGRESS"], into=desk.main)


def _failed_and_unreviewed(desk: Desk) -> None:
    desk.good(20, 30, 40)
    desk.merged(7, [], ["FAILED"])


def _old_bad_build(desk: Desk) -> None:
    desk.merged(70, [desk.peer], ["FAILED"])
    desk.good(10, 20, 30, 40, 50)


def _not_merged(desk: Desk) -> None:
    desk.good(12, 22, 32)
    for state in ("OPEN", "DECLINED", "SUPERSEDED"):
        desk.pulls.add(age=2, author=desk.author, state=state, builds=["FAILED"], into=desk.main)
    desk.pulls.add(age=1, author=None, state="OPEN", builds=[], into=desk.main, title="Opened by nobody any more")


def _other_branch(desk: Desk) -> None:
    desk.good(12, 22, 32)
    for age in (3, 4, 5, 6):
        desk.pulls.add(age=age, author=desk.author, builds=["FAILED"], into="develop")


HISTORIES: dict[str, Writer] = {
    "clean": _clean,  # 4 and 5 pass
    "failed_build": _bad_build("FAILED"),  # 4 fails
    "stopped_build": _bad_build("STOPPED"),  # 4 fails
    "running_build": _bad_build("INPROGRESS"),  # 4 fails: merged while it ran
    "mixed_builds": _bad_build("SUCCESSFUL", "FAILED"),  # 4 fails: one of two is red
    "no_build": _bad_build(),  # 4 fails: no status at all
    "old_bad_build": _old_bad_build,  # passes: the red one is the sixth newest
    "unreviewed": _approved_by(lambda desk: []),  # 5 fails
    "self_approved": _approved_by(lambda desk: [desk.author]),  # 5 fails
    "app_approved": _approved_by(lambda desk: [desk.app]),  # 5 fails: an integration is no peer
    "deleted_approver": _approved_by(lambda desk: [None]),  # 5 waits: whose approval it was nobody knows
    "peer_and_self": _approved_by(lambda desk: [desk.author, desk.peer]),  # passes
    "failed_and_unreviewed": _failed_and_unreviewed,  # 4 and 5 fail
    "few": lambda desk: desk.good(10, 20),  # too few to say yes
    "few_bad": lambda desk: desk.merged(9, [], ["FAILED"]),  # 4 and 5 fail: one is enough to say no
    "old_only": lambda desk: desk.good(95, 120, 150, 180),  # too few: all before the window
    "not_merged": _not_merged,  # passes: what was not merged does not count
    "other_branch": _other_branch,  # passes: what went elsewhere does not count
    "none": lambda desk: None,  # too few
}
