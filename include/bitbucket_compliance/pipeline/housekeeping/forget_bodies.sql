-- Purpose: delete one batch of the bodies that no run has seen for the time that policy keeps them.

SELECT landing.forget_bodies(%(workspace)s, %(before)s, %(merged_before)s, %(batch)s) AS forgotten;
