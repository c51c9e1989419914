-- The penguins pipeline's schemas. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- In schema penguins the steps' role makes its own tables, and reset_schema drops them; it owns nothing elsewhere. The
-- record of promotions is the owner's, in schema penguins_record, so that no reset takes it away.

CREATE SCHEMA IF NOT EXISTS penguins;
GRANT USAGE, CREATE ON SCHEMA penguins TO penguins;
