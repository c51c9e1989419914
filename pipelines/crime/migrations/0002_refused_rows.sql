-- What a download sets aside: rows of the portal that are no crimes.
ALTER TABLE crime.downloads ADD COLUMN IF NOT EXISTS rows_refused bigint NOT NULL DEFAULT 0;
