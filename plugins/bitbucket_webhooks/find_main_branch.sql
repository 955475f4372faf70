-- Purpose: the main branch of a repository, as it was last seen; null: none is known.

SELECT integration.main_branch(%(workspace)s, %(repository_id)s) AS main_branch;
