-- Purpose: delete one batch of the history that ended before what policy keeps.

SELECT integration.forget_history(%(workspace)s, %(ended_before)s, %(batch)s) AS forgotten;
