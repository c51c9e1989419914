-- The weather pipeline's tables.
-- The steps log in as role weather, which adds and corrects readings, removes none, and can only add to the audit.

CREATE TABLE weather.readings (
    station text NOT NULL,
    observed_at timestamptz NOT NULL,
    degrees double precision NOT NULL,
    PRIMARY KEY (station, observed_at)
);

-- One row a file, written in the transaction that merges its readings: the same content is merged once.
CREATE TABLE weather.load_audit (
    sha256 text PRIMARY KEY,
    file text NOT NULL,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    rows_read bigint NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE ON weather.readings TO weather;
GRANT SELECT, INSERT ON weather.load_audit TO weather;
