-- A login role with the password of its Secret: made where absent, else given that password again.
\set password `cat :'secrets'/:'secret'/password`
SET log_min_error_statement = 'panic'; -- a failing statement would put the password into the log
SELECT format('CREATE ROLE %I', :'role') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') \gexec
ALTER ROLE :"role" LOGIN PASSWORD :'password';
