"""Repeats what may succeed a moment later: broken connections, time-outs, 5xx, bodies that can't be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from bitbucket_cloud.client.errors import BitbucketError

T = TypeVar("T")

#: Seconds that a single wait never exceeds, its jitter aside.
LONGEST_WAIT = 30.0


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, BitbucketError) and error.retryable


def _always() -> bool:
    return True


def with_retries(call: Callable[[], T], *, attempts: int, wait: float, may_repeat: Callable[[], bool] = _always) -> T:
    """What ``call`` returns, repeated while its error is ``retryable``, ``attempts`` times in all.

    ``may_repeat`` is asked after each error; where it says no, that was the last try.

    Waits ``wait`` seconds before the second try and twice as long before each further one, plus up to
    ``wait`` seconds at random so that many threads don't come back together.

    Raises:
        BitbucketError: the last error, as it was raised.
    """
    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential_jitter(multiplier=wait, max=LONGEST_WAIT, jitter=wait),
        retry=tenacity.retry_if_exception(lambda error: _is_retryable(error) and may_repeat()),
        reraise=True,
    )
    return retrying(call)
