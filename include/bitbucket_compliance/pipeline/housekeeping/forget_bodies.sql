-- Purpose: delete one batch of the listed bodies; one that a run saw in the meantime is another row by now.

DELETE FROM landing.objects AS objects
USING old_bodies
WHERE
    objects.ctid = old_bodies.row_id
    AND old_bodies.place > %(after)s
    AND old_bodies.place <= %(after)s + %(batch)s
    AND objects.workspace = %(workspace)s
    AND objects.fetched_at < %(before)s;
