-- The setup role's own password, that of its Secret. Run by it, with the former one.
\set password `cat :'secrets'/superuser/password`
-- A statement that fails, takes long or is logged for another reason would put the password into the server's log: no
-- statement of this session is logged, where the setup role may forbid it.
SELECT format('SET %s = %L', name, value) FROM (VALUES ('log_statement', 'none'), ('log_min_error_statement', 'panic'),
    ('log_min_duration_statement', '-1'), ('log_min_duration_sample', '-1'), ('log_transaction_sample_rate', '0')) AS quiet(name, value)
WHERE has_parameter_privilege(name, 'SET') \gexec
ALTER ROLE CURRENT_USER PASSWORD :'password';
