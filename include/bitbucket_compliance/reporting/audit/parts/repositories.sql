-- Purpose: the repositories of the workspace as they were read last.

SELECT repositories.*
FROM compliance.repositories AS repositories
WHERE repositories.workspace = %(workspace)s
ORDER BY repositories.repository_id;
