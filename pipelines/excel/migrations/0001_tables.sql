-- The Excel pipeline's tables. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- The steps log in as role excel, which adds and corrects prices, removes none, and can only add to the audit.

CREATE SCHEMA IF NOT EXISTS excel_data;

-- The weekly workbooks: one row a week, product and market; pesos a kilogram, as published (eggs are a piece, oil a litre).
CREATE TABLE IF NOT EXISTS excel_data.weekly_prices (
    week_start date NOT NULL,
    week_end date NOT NULL,
    product_group text NOT NULL,
    product text NOT NULL,
    market text NOT NULL,
    price_min double precision NOT NULL,
    price_max double precision NOT NULL,
    price_mean double precision NOT NULL,
    tendency text,
    file_sha256 text NOT NULL,
    PRIMARY KEY (week_start, product, market),
    CHECK (price_min > 0 AND price_min <= price_mean AND price_mean <= price_max),
    CHECK (week_end BETWEEN week_start AND week_start + 6)
);

-- The daily workbooks, made long: one row a day, product and market.
CREATE TABLE IF NOT EXISTS excel_data.daily_prices (
    price_date date NOT NULL,
    product_group text NOT NULL,
    product text NOT NULL,
    market text NOT NULL,
    price double precision NOT NULL CHECK (price > 0),
    variation double precision,
    predominant_variety boolean NOT NULL,
    file_sha256 text NOT NULL,
    PRIMARY KEY (price_date, product, market)
);

-- One row a file and run, written in the transaction that loads the file; never changed. A file's bytes are loaded once.
CREATE TABLE IF NOT EXISTS excel_data.file_audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    file_name text NOT NULL,
    sha256 text,
    file_bytes bigint NOT NULL,
    layout text,
    status text NOT NULL CHECK (status IN ('loaded', 'loaded_with_refusals', 'refused', 'duplicate')),
    rows_read bigint NOT NULL,
    rows_new bigint NOT NULL,
    rows_changed bigint NOT NULL,
    rows_unchanged bigint NOT NULL,
    rows_missing bigint NOT NULL,
    rows_refused bigint NOT NULL,
    reasons jsonb NOT NULL,
    received_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (dag_id, run_id, file_name),
    CHECK (sha256 IS NOT NULL OR status = 'refused')
);
CREATE UNIQUE INDEX IF NOT EXISTS file_audit_loaded_once ON excel_data.file_audit (sha256)
    WHERE status IN ('loaded', 'loaded_with_refusals');

DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO excel', current_database());
END $$;
GRANT USAGE ON SCHEMA excel_data TO excel;
GRANT SELECT, INSERT, UPDATE ON excel_data.weekly_prices, excel_data.daily_prices TO excel;
GRANT SELECT, INSERT ON excel_data.file_audit TO excel;
