-- The SIPSA pipeline's tables. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- The steps log in as role sipsa, which adds and corrects prices and removes none.

CREATE SCHEMA IF NOT EXISTS sipsa_data;

-- Prices are pesos a kilogram, dates are Bogotá's. `changed_at` is the time of the run that added or last corrected a row.
CREATE TABLE IF NOT EXISTS sipsa_data.promedios_sipsa_ciudad (
    ciudad text COLLATE "C" NOT NULL,
    cod_producto bigint NOT NULL,
    enviado smallint,
    fecha_captura date NOT NULL,
    fecha_creacion timestamptz,
    precio_promedio numeric NOT NULL,
    producto text,
    reg_id bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (fecha_captura, cod_producto, ciudad)
);

CREATE TABLE IF NOT EXISTS sipsa_data.promedios_sipsa_parcial (
    arti_nombre text,
    dept_nombre text,
    enma_fecha date NOT NULL,
    fuen_id bigint NOT NULL,
    fuen_nombre text,
    futi_id bigint NOT NULL,
    grup_nombre text,
    id_arti_semana bigint NOT NULL,
    maximo_kg numeric,
    minimo_kg numeric,
    muni_id text COLLATE "C" NOT NULL,
    muni_nombre text,
    promedio_kg numeric NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (enma_fecha, id_arti_semana, fuen_id, futi_id, muni_id)
);

CREATE TABLE IF NOT EXISTS sipsa_data.promedios_sipsa_semana_madr (
    arti_id bigint NOT NULL,
    arti_nombre text,
    enviado smallint,
    fecha_creacion timestamptz,
    fecha_ini date NOT NULL,
    fuen_id bigint NOT NULL,
    fuen_nombre text,
    futi_id bigint NOT NULL,
    maximo_kg numeric,
    minimo_kg numeric,
    promedio_kg numeric NOT NULL,
    tmp_mayo_sem_id bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (fecha_ini, arti_id, fuen_id, futi_id)
);

CREATE TABLE IF NOT EXISTS sipsa_data.promedios_sipsa_mes_madr (
    arti_id bigint NOT NULL,
    arti_nombre text,
    enviado smallint,
    fecha_creacion timestamptz,
    fecha_mes_ini date NOT NULL,
    fuen_id bigint NOT NULL,
    fuen_nombre text,
    futi_id bigint NOT NULL,
    maximo_kg numeric,
    minimo_kg numeric,
    promedio_kg numeric NOT NULL,
    tmp_mayo_mes_id bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (fecha_mes_ini, arti_id, fuen_id, futi_id)
);

CREATE TABLE IF NOT EXISTS sipsa_data.promedio_abas_sipsa_mes_madr (
    arti_id bigint NOT NULL,
    arti_nombre text,
    cantidad_ton numeric,
    enviado smallint,
    fecha_creacion timestamptz,
    fecha_mes_ini date NOT NULL,
    fuen_id bigint NOT NULL,
    fuen_nombre text,
    futi_id bigint NOT NULL,
    tmp_abas_mes_id bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (fecha_mes_ini, arti_id, fuen_id, futi_id)
);

-- What a city was called, and is called now; its owner adds the next ones. Rows that are there follow at the next merge.
CREATE TABLE IF NOT EXISTS sipsa_data.city_names (
    source_name text COLLATE "C" PRIMARY KEY,
    city text COLLATE "C" NOT NULL,
    renamed_in text,
    CHECK (source_name <> city)
);
INSERT INTO sipsa_data.city_names VALUES ('CÚCUTA', 'SAN JOSÉ DE CÚCUTA', '2022-12') ON CONFLICT DO NOTHING;

-- An answer between the steps stage and merge, which are two pods. Written to disk like all others: a server that is
-- started again in between loses none of it.
DO $$
DECLARE
    report text;
BEGIN
    FOREACH report IN ARRAY ARRAY['promedios_sipsa_ciudad', 'promedios_sipsa_parcial', 'promedios_sipsa_semana_madr',
        'promedios_sipsa_mes_madr', 'promedio_abas_sipsa_mes_madr']
    LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS sipsa_data.%I AS SELECT *, NULL::integer AS answer_row'
            ' FROM sipsa_data.%I WITH NO DATA', 'staging_' || report, report);
        EXECUTE format('ALTER TABLE sipsa_data.%I DROP COLUMN IF EXISTS changed_at', 'staging_' || report);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE ON sipsa_data.%I TO sipsa', report);
        EXECUTE format('GRANT SELECT, INSERT, TRUNCATE ON sipsa_data.%I TO sipsa', 'staging_' || report);
    END LOOP;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO sipsa', current_database());
END $$;

-- Whose answer each staging table holds.
CREATE TABLE IF NOT EXISTS sipsa_data.staged_answers (
    operation text PRIMARY KEY,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    source_uri text NOT NULL,
    source_sha256 text NOT NULL,
    run_after timestamptz NOT NULL,
    start_date date NOT NULL,
    rows_read bigint NOT NULL,
    rows_staged bigint NOT NULL,
    rows_before_start bigint NOT NULL,
    rows_refused bigint NOT NULL,
    refusals jsonb NOT NULL
);

-- One row a merge, written in the merge's own transaction: a retry that finds it has nothing left to do.
CREATE TABLE IF NOT EXISTS sipsa_data.ingest_audit (
    dag_id text NOT NULL,
    run_id text NOT NULL,
    operation text NOT NULL,
    table_name text NOT NULL,
    source_uri text NOT NULL,
    source_sha256 text NOT NULL,
    run_after timestamptz NOT NULL,
    start_date date NOT NULL,
    rows_read bigint NOT NULL,
    rows_before_start bigint NOT NULL,
    rows_refused bigint NOT NULL,
    refusals jsonb NOT NULL,
    rows_duplicate bigint NOT NULL,
    rows_new bigint NOT NULL,
    rows_changed bigint NOT NULL,
    rows_same bigint NOT NULL,
    newest date,
    finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dag_id, run_id, operation)
);

-- The newest answer that was merged of each report.
CREATE TABLE IF NOT EXISTS sipsa_data.ingest_watermarks (
    operation text PRIMARY KEY,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    run_after timestamptz NOT NULL,
    source_sha256 text NOT NULL,
    start_date date NOT NULL,
    newest date
);

GRANT USAGE ON SCHEMA sipsa_data TO sipsa;
GRANT SELECT ON sipsa_data.city_names TO sipsa;
GRANT SELECT, INSERT ON sipsa_data.ingest_audit TO sipsa;
GRANT SELECT, INSERT, DELETE ON sipsa_data.staged_answers TO sipsa;
GRANT SELECT, INSERT, UPDATE ON sipsa_data.ingest_watermarks TO sipsa;
