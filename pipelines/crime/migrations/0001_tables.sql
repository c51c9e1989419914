-- The crime pipeline's tables. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- The steps log in as role crime, which reads and adds rows, and can change or remove none.

CREATE SCHEMA IF NOT EXISTS crime;

-- One row a download, written when its files are all in S3: a retry that finds it has nothing left to do.
CREATE TABLE IF NOT EXISTS crime.downloads (
    download_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    as_of timestamptz NOT NULL,
    window_first date NOT NULL,
    window_end date NOT NULL,
    is_full boolean NOT NULL,
    rows_received bigint NOT NULL,
    rows_new bigint NOT NULL,
    rows_corrected bigint NOT NULL,
    rows bigint NOT NULL,
    updated_on text NOT NULL,
    crimes_uri text NOT NULL,
    crimes_sha256 text NOT NULL,
    stations_uri text NOT NULL,
    stations_sha256 text NOT NULL,
    received_sha256 text NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (dag_id, run_id)
);

GRANT USAGE ON SCHEMA crime TO crime;
GRANT SELECT, INSERT ON crime.downloads TO crime;
