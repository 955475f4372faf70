-- Purpose: delete refreshes of tokens that went as they should and are older than what policy keeps.

SELECT integration.forget_refreshes(%(before)s);
