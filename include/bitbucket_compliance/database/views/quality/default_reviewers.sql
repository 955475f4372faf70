-- Purpose: the default reviewers of repositories, of the workspace that a gate looks at.

CREATE VIEW quality.default_reviewers AS
SELECT * FROM staging.default_reviewers
WHERE workspace = current_setting('compliance.workspace');
