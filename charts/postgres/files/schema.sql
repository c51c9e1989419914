-- A schema of the owner role, in which a pipeline's role may use tables but make none; its staging tables are temporary.
CREATE SCHEMA IF NOT EXISTS :"schema";
COMMENT ON SCHEMA :"schema" IS :'comment';
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT CONNECT, TEMPORARY ON DATABASE :"DBNAME" TO :"role";
