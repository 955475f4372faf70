-- Purpose: the main branch that a repository was last seen to have; null: none, or the repository is not known. All
-- that the receiver of webhooks may learn of what was read of Bitbucket.

CREATE FUNCTION integration.main_branch(of_workspace text, of_repository text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $main_branch$
    SELECT repositories.main_branch
    FROM staging.repositories AS repositories
    WHERE repositories.workspace = of_workspace AND repositories.repository_id = of_repository
$main_branch$;

GRANT EXECUTE ON FUNCTION integration.main_branch(text, text) TO compliance_receiver;
