"""Read what an export is of: the published results of a workspace, all from one snapshot of the database."""
