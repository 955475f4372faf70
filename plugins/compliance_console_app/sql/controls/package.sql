-- Purpose: a package of a workspace that was made, and where its zip was written.

SELECT
    packages.package_id,
    packages.people,
    packages.folder,
    packages.file,
    packages.bytes,
    packages.manifest_sha256,
    packages.deleted_at
FROM integration.audit_packages AS packages
WHERE
    packages.workspace = %(workspace)s
    AND packages.package_id = %(package_id)s
    AND packages.file IS NOT null;
