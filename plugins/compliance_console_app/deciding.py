"""Whether to show somebody the forms of decisions; what they send is checked by ``access.Decider`` all the same."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, HTTPException

from compliance_console_app.access import Manager, User, decider


def may_decide(user: User, manager: Manager) -> bool:
    """Whether this person may hand in, review, classify, accept a risk."""
    try:
        decider(user, manager)
    except HTTPException:
        return False
    return True


MayDecide = Annotated[bool, Depends(may_decide)]
