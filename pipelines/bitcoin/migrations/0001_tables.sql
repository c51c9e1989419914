-- The bitcoin pipeline's tables. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- The steps log in as role bitcoin, which reads and adds rows, and can change none but watermarks and running trials.

CREATE SCHEMA IF NOT EXISTS bitcoin;
CREATE SCHEMA IF NOT EXISTS bitcoin_optuna;

-- Closed bars, as exact as the exchange sent them.
CREATE TABLE IF NOT EXISTS bitcoin.bars (
    symbol text COLLATE "C" NOT NULL,
    interval text COLLATE "C" NOT NULL,
    open_time timestamptz NOT NULL,
    open numeric(20, 8) NOT NULL,
    high numeric(20, 8) NOT NULL,
    low numeric(20, 8) NOT NULL,
    close numeric(20, 8) NOT NULL,
    volume numeric(20, 8) NOT NULL,
    close_time timestamptz NOT NULL,
    quote_volume numeric(20, 8) NOT NULL,
    trades bigint NOT NULL,
    taker_volume numeric(20, 8) NOT NULL,
    taker_quote_volume numeric(20, 8) NOT NULL,
    PRIMARY KEY (symbol, interval, open_time),
    CHECK (close_time > open_time),
    CHECK (low <= least(open, close) AND high >= greatest(open, close))
);

-- Where bars are missing between two that are there, as when the exchange stood still.
CREATE OR REPLACE VIEW bitcoin.bar_gaps AS
SELECT
    symbol,
    interval,
    missing_from,
    open_time AS missing_until,
    round(extract(epoch FROM open_time - missing_from) / extract(epoch FROM length))::integer AS missing_bars
FROM (
    SELECT
        symbol,
        interval,
        open_time,
        close_time - open_time + make_interval(secs => 0.001) AS length,
        lag(close_time) OVER (PARTITION BY symbol, interval ORDER BY open_time) + make_interval(secs => 0.001) AS missing_from
    FROM bitcoin.bars
) AS bars
WHERE open_time > missing_from;

-- One row a load, written in the load's own transaction: a retry that finds it has nothing left to do.
CREATE TABLE IF NOT EXISTS bitcoin.ingest_audit (
    dag_id text NOT NULL,
    run_id text NOT NULL,
    symbol text NOT NULL,
    interval text NOT NULL,
    source_uri text NOT NULL,
    source_sha256 text NOT NULL,
    server_time timestamptz NOT NULL,
    rows_read bigint NOT NULL,
    rows_new bigint NOT NULL,
    rows_duplicate bigint NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dag_id, run_id, symbol, interval)
);

-- The newest bar of each symbol and interval: the next extract goes on from there.
CREATE TABLE IF NOT EXISTS bitcoin.ingest_watermarks (
    symbol text NOT NULL,
    interval text NOT NULL,
    open_time timestamptz NOT NULL,
    run_id text NOT NULL,
    PRIMARY KEY (symbol, interval)
);

DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO bitcoin', current_database());
END $$;
GRANT USAGE ON SCHEMA bitcoin, bitcoin_optuna TO bitcoin;
GRANT SELECT, INSERT ON bitcoin.bars, bitcoin.ingest_audit TO bitcoin;
GRANT SELECT ON bitcoin.bar_gaps TO bitcoin;
GRANT SELECT, INSERT, UPDATE ON bitcoin.ingest_watermarks TO bitcoin;

-- Optuna's tables, schema version 12. Optuna would make them itself, for which the role would need the right to create
-- in the schema; a test holds that these are the same.
DO $$ BEGIN
    CREATE TYPE bitcoin_optuna.studydirection AS ENUM ('NOT_SET', 'MINIMIZE', 'MAXIMIZE');
    CREATE TYPE bitcoin_optuna.trialstate AS ENUM ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING');
    CREATE TYPE bitcoin_optuna.trialintermediatevaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG', 'NAN');
    CREATE TYPE bitcoin_optuna.trialvaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG');
EXCEPTION WHEN duplicate_object THEN NULL;
END $$;
CREATE TABLE IF NOT EXISTS bitcoin_optuna.version_info (
    version_info_id integer PRIMARY KEY CHECK (version_info_id = 1),
    schema_version integer,
    library_version varchar(256)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.alembic_version (
    version_num varchar(32) NOT NULL CONSTRAINT alembic_version_pkc PRIMARY KEY
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.studies (
    study_id serial PRIMARY KEY,
    study_name varchar(512) NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS ix_studies_study_name ON bitcoin_optuna.studies (study_name);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.study_directions (
    study_direction_id serial PRIMARY KEY,
    direction bitcoin_optuna.studydirection NOT NULL,
    study_id integer NOT NULL REFERENCES bitcoin_optuna.studies,
    objective integer NOT NULL,
    UNIQUE (study_id, objective)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.study_system_attributes (
    study_system_attribute_id serial PRIMARY KEY,
    study_id integer REFERENCES bitcoin_optuna.studies,
    key varchar(512),
    value_json text,
    UNIQUE (study_id, key)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.study_user_attributes (
    study_user_attribute_id serial PRIMARY KEY,
    study_id integer REFERENCES bitcoin_optuna.studies,
    key varchar(512),
    value_json text,
    UNIQUE (study_id, key)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trials (
    trial_id serial PRIMARY KEY,
    number integer,
    study_id integer REFERENCES bitcoin_optuna.studies,
    state bitcoin_optuna.trialstate NOT NULL,
    datetime_start timestamp,
    datetime_complete timestamp
);
CREATE INDEX IF NOT EXISTS ix_trials_study_id ON bitcoin_optuna.trials (study_id);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_heartbeats (
    trial_heartbeat_id serial PRIMARY KEY,
    trial_id integer NOT NULL UNIQUE REFERENCES bitcoin_optuna.trials,
    heartbeat timestamp NOT NULL
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_intermediate_values (
    trial_intermediate_value_id serial PRIMARY KEY,
    trial_id integer NOT NULL REFERENCES bitcoin_optuna.trials,
    step integer NOT NULL,
    intermediate_value double precision,
    intermediate_value_type bitcoin_optuna.trialintermediatevaluetype NOT NULL,
    UNIQUE (trial_id, step)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_params (
    param_id serial PRIMARY KEY,
    trial_id integer REFERENCES bitcoin_optuna.trials,
    param_name varchar(512),
    param_value double precision,
    distribution_json text,
    UNIQUE (trial_id, param_name)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_system_attributes (
    trial_system_attribute_id serial PRIMARY KEY,
    trial_id integer REFERENCES bitcoin_optuna.trials,
    key varchar(512),
    value_json text,
    UNIQUE (trial_id, key)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_user_attributes (
    trial_user_attribute_id serial PRIMARY KEY,
    trial_id integer REFERENCES bitcoin_optuna.trials,
    key varchar(512),
    value_json text,
    UNIQUE (trial_id, key)
);
CREATE TABLE IF NOT EXISTS bitcoin_optuna.trial_values (
    trial_value_id serial PRIMARY KEY,
    trial_id integer NOT NULL REFERENCES bitcoin_optuna.trials,
    objective integer NOT NULL,
    value double precision,
    value_type bitcoin_optuna.trialvaluetype NOT NULL,
    UNIQUE (trial_id, objective)
);
INSERT INTO bitcoin_optuna.version_info VALUES (1, 12, '5.0.0') ON CONFLICT DO NOTHING;
INSERT INTO bitcoin_optuna.alembic_version VALUES ('v3.2.0.a') ON CONFLICT DO NOTHING;
GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA bitcoin_optuna TO bitcoin;
REVOKE INSERT, UPDATE ON bitcoin_optuna.version_info, bitcoin_optuna.alembic_version FROM bitcoin;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA bitcoin_optuna TO bitcoin;
