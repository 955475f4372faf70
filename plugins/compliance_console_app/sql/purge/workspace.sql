-- Purpose: delete what was read of a workspace and judged by it.

SELECT integration.purge(%(workspace)s) AS deleted;
