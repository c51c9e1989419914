-- Rows of the table that an answer should have held, and did not; they stay.
ALTER TABLE sipsa_data.ingest_audit ADD COLUMN IF NOT EXISTS rows_vanished bigint NOT NULL DEFAULT 0;
