-- What the role of a pipeline's promotion needs to reach the record, which its migrations open to it: no temporary tables.
GRANT USAGE ON SCHEMA :"schema" TO :"role";
GRANT CONNECT ON DATABASE :"DBNAME" TO :"role";
