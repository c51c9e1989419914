-- The setup role's own password, that of its Secret. Run by it, with the former one.
\set password `cat :'secrets'/superuser/password`
-- A failing statement would put the password into the log, where the setup role may not forbid it.
SELECT 'SET log_min_error_statement = ''panic''' WHERE has_parameter_privilege('log_min_error_statement', 'SET') \gexec
ALTER ROLE CURRENT_USER PASSWORD :'password';
