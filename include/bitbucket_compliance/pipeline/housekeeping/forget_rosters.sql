-- Purpose: delete one batch of the lines of rosters that were replaced before what policy keeps.

SELECT registry.forget_rosters(%(before)s, %(batch)s) AS forgotten;
