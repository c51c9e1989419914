-- The notes of which migrations have run, without which they would not run again. Run by the owner.
DROP TABLE IF EXISTS migrations.:"series";
