-- Purpose: the audit packages of a workspace whose zip was made so many days ago and is still there. What a run of the
-- DAG wrote to a place that somebody chose is theirs.

SELECT
    packages.package_id,
    packages.folder,
    packages.file
FROM integration.audit_packages AS packages
WHERE
    packages.workspace = %(workspace)s
    AND packages.folder = 'audit_packages/' || packages.package_id
    AND packages.file IS NOT null
    AND packages.deleted_at IS null
    AND packages.ended_at < clock_timestamp() - %(days)s * interval '1 day'
ORDER BY packages.ended_at ASC;
