-- Crimes of the window that the portal no longer had when it was asked.
ALTER TABLE crime.downloads ADD COLUMN IF NOT EXISTS rows_vanished bigint NOT NULL DEFAULT 0;
