-- Purpose: names that say what they hold; two runs of one workspace no longer stand in line.

ALTER TABLE integration.runs RENAME COLUMN decidable TO bases_available;
ALTER VIEW compliance.runs RENAME COLUMN decidable TO bases_available;
ALTER TABLE landing.repository_reads RENAME COLUMN reading_basis TO read_signature;
ALTER TABLE landing.work_items RENAME COLUMN reading_basis TO read_signature;
ALTER TABLE landing.unfinished_listings RENAME TO checkpoints;
ALTER TABLE integration.workspace_leases DROP COLUMN wanted_by, DROP COLUMN wanted_at;
