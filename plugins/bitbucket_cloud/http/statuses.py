"""What the statuses of answers say, beyond their class."""

from __future__ import annotations

#: "Not in time", said by Bitbucket or by what stands before it: as passing as a 5xx. The work may have been done.
NOT_IN_TIME = frozenset({408, 425, 499})


def shows_token(status: int) -> bool:
    """Whether an answer shows that the token was taken: what it asked for was read, forbidden or not found."""
    return 200 <= status < 300 or status in (403, 404, 410)


def says_not_done(status: int) -> bool:
    """Whether what was asked for was surely not done."""
    return 400 <= status < 500 and status not in NOT_IN_TIME
