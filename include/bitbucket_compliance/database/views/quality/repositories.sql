-- Purpose: the repositories of the workspace that a gate looks at.

CREATE VIEW quality.repositories AS
SELECT
    workspace,
    repository_id,
    slug,
    name,
    full_name,
    project_key,
    is_private,
    language,
    main_branch,
    created_on,
    updated_on,
    data_as_of,
    read_at
FROM staging.repositories
WHERE workspace = current_setting('compliance.workspace');
