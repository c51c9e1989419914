-- What a load sets aside: rows of a capture that are no samples.
ALTER TABLE forest.ingest_audit
    ADD COLUMN IF NOT EXISTS rows_refused bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refusals jsonb NOT NULL DEFAULT '[]';
