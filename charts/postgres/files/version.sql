-- An older server lacks functions and rights that the other files use: it is refused before anything is made.
SELECT format('DO $do$ BEGIN RAISE EXCEPTION USING MESSAGE = %L; END $do$', format(
    'This server is PostgreSQL %s, and Quintet needs %s or newer: upgrade it, or give postgres.external.host another one.',
    current_setting('server_version'), :'oldest'))
WHERE :SERVER_VERSION_NUM < :oldest * 10000 \gexec
