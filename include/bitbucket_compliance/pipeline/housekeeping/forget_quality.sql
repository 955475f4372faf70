-- Purpose: delete what the gates noted of runs that are older than what policy keeps.

SELECT quality.forget_outcomes(%(workspace)s, %(before)s);
