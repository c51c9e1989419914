-- What a load sets aside: rows of the exchange that are no bars of their interval, as when it stood still in February 2018.
ALTER TABLE bitcoin.ingest_audit
    ADD COLUMN IF NOT EXISTS rows_refused bigint NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS refusals jsonb NOT NULL DEFAULT '[]';
