-- Purpose: the projects of a workspace.

SELECT DISTINCT repositories.project_key
FROM compliance.repositories AS repositories
WHERE repositories.workspace = %(workspace)s AND repositories.project_key IS NOT null
ORDER BY repositories.project_key ASC;
