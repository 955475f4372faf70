"""The services of docker-compose.yaml, two Celery workers among them, and what befalls them in the middle of a run.

After each fault the run publishes what a quiet run does, and readers saw nothing but whole states all the time. Each
test begins where the one before ended: its run is the next one after that fault.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.faults.two_workers import WORKSPACE
from tests.reporting.notifications.receivers import WebReceiver
from tests.workers.conftest import DEADLINE_SECONDS
from tests.workers.stack import WORKERS
from tests.workers.story import BESIDE, PUBLISHING, READING, Story

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _everybody_is_there(story: Story) -> Iterator[None]:
    """Whatever befell one of them: the next test finds them all."""
    yield
    for program in story.stack.workers:
        program.wake()


def test_the_schedule_has_all_workspaces_judged_at_once_by_two_workers_that_share_no_folder(story: Story) -> None:
    stack, runs = story.stack, story.first_runs
    assert set(runs) == {WORKSPACE, BESIDE}
    for workspace, run_id in runs.items():
        assert stack.state(run_id) == "success", workspace
        assert {task["hostname"] for task in stack.tasks(run_id)} - {""} == set(WORKERS)
    story.has_published(runs[WORKSPACE])
    for worker in stack.workers:
        assert str(worker.home) in worker.environment["COMPLIANCE_DATA_DOCS_URL"], "a folder of its own"
        others = [other.home for other in stack.workers if other is not worker]
        assert not any(str(home) in value for home in others for value in worker.environment.values())


def test_a_scheduler_that_is_killed_and_one_that_stands_still_take_the_run_up_again(story: Story) -> None:
    scheduler = story.stack.scheduler

    def befalls(run_id: str) -> None:
        with story.in_the_middle(run_id, READING):
            before = scheduler.restarts
            scheduler.kill()
            story.stack.wait_until(lambda: scheduler.restarts > before, "it was started again")
        with story.in_the_middle(run_id, PUBLISHING):
            scheduler.freeze()
        time.sleep(40)
        scheduler.wake()

    story.has_spent_no_try(story.run(befalls))


def test_what_waits_in_redis_when_it_is_lost_and_what_it_can_not_take_is_done_all_the_same(story: Story) -> None:
    stack = story.stack

    def befalls(run_id: str) -> None:
        time.sleep(15)
        assert stack.tasks_begun(run_id) == []
        stack.redis.start()
        for queue in ("kept", "lost"):
            stack.wait_until(lambda: _asked(story, "llen", "default") == "1", "the first task waits in Redis")
            if queue == "kept":
                _asked(story, "shutdown", "save")
            else:
                (stack.redis.home / "dump.rdb").unlink()
                stack.redis.kill()
            stack.wait_until(lambda: _asked(story, "ping") == "PONG", "Redis is there again")
            assert _asked(story, "llen", "default") == {"kept": "1", "lost": "0"}[queue]
        for worker in stack.workers:
            worker.wake()
        with story.in_the_middle(run_id, READING):
            stack.redis.kill(comes_back=False)
        time.sleep(10)
        stack.redis.start()

    for worker in stack.workers:
        worker.freeze()
    stack.redis.kill(comes_back=False)
    story.has_spent_no_try(story.run(befalls))


def test_what_a_worker_was_at_when_it_froze_or_was_killed_another_one_does(story: Story) -> None:
    stack = story.stack

    def befalls(run_id: str) -> None:
        with story.in_the_middle(run_id, READING) as frozen:
            frozen.freeze()
        with story.in_the_middle(run_id, PUBLISHING) as other:
            assert other is not frozen
            frozen.wake()
            # What it was at ends: Airflow tells it that the task is another one's.
            stack.wait_until(lambda: not stack.at_something(frozen), "it let go of the task")
            other.kill(comes_back=False)
        stack.wait_for(run_id)
        other.start()

    run_id = story.run(befalls)
    again = {task["hostname"] for task in stack.tasks(run_id) if task["try_number"] > 1}
    assert again == set(WORKERS), "each did what the other one had begun"


def test_a_run_that_is_marked_as_failed_ends_so_and_the_next_one_publishes(story: Story) -> None:
    stack = story.stack
    story.change()
    with story.watched() as trigger:
        marked = trigger()
        with story.in_the_middle(marked):
            stack.ask("PATCH", f"/api/v2/dags/bitbucket_compliance/dagRuns/{marked}", {"state": "failed"})
        assert stack.wait_for(marked) == "failed"
        following = trigger()
        assert stack.wait_for(following) == "success"
    story.has_published(following)
    [row] = stack.data("SELECT status, error FROM compliance.runs WHERE run_id = %s", marked)
    assert row["status"] == "failed" and row["error"], row


def test_people_were_told_once_of_each_run_that_was_late_and_of_no_other(story: Story, alerts: WebReceiver) -> None:
    """Faults held some of the runs before up for longer than COMPLIANCE_RUN_DEADLINE_HOURS."""
    runs = story.stack.metadata(
        "SELECT run_id, state, extract(epoch FROM end_date - queued_at) AS seconds FROM dag_run"
        " WHERE dag_id = 'bitbucket_compliance'"
    )
    late = {row["run_id"] for row in runs if row["state"] == "success" and row["seconds"] > DEADLINE_SECONDS + 10}
    story.stack.wait_until(lambda: late <= {*_told(alerts)}, "people were told")
    told = _told(alerts)
    assert late and len(told) == len(set(told))
    assert set(told) <= {row["run_id"] for row in runs if row["seconds"] >= DEADLINE_SECONDS}


def _told(alerts: WebReceiver) -> list[str]:
    """The runs that people were told of."""
    sent = [alert for posted in alerts.posted for alert in posted.json["alerts"]]
    return [alert["subject"] for alert in sent if alert["alert"] == "run_late"]


def _asked(story: Story, *command: str) -> str:
    """What Redis answers; empty while it is away."""
    environment = os.environ | {"REDISCLI_AUTH": story.stack.dotenv["REDIS_PASSWORD"]}
    ask = ["redis-cli", "-p", str(story.stack.redis_port), *command]
    done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()
