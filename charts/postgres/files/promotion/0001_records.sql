-- The record of a pipeline that promotes models, which its role may add to and never change. Made in the pipeline's first
-- schema; `quintet.role` is the pipeline's role. Each statement may be repeated: they also take over tables made before
-- migrations were counted.

-- One row a verdict on a challenger, or a return to an older version; never changed. The newest of a model that is not
-- 'refused' says who is champion; MLflow's alias and tags follow it.
CREATE TABLE IF NOT EXISTS promotion_decisions (
    decision_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    model_name text NOT NULL,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    verdict text NOT NULL CHECK (verdict IN ('promoted', 'refused', 'rolled_back')),
    reason text NOT NULL,
    challenger_algorithm text NOT NULL,
    challenger_mlflow_run_id text NOT NULL,
    challenger_digest text NOT NULL,
    champion_mlflow_run_id text,
    champion_digest text,
    data_sha256 text NOT NULL,
    metrics jsonb NOT NULL,
    gain double precision,
    gain_low double precision,
    gain_high double precision,
    decided_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (model_name, dag_id, run_id)
);

-- What was trained to its end, so that the same rows are not trained again with the same parameters.
CREATE TABLE IF NOT EXISTS trainings (
    model_name text NOT NULL,
    data_sha256 text NOT NULL,
    parameters_sha256 text NOT NULL,
    dag_id text NOT NULL,
    run_id text NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (model_name, data_sha256, parameters_sha256)
);

DO $$ BEGIN
    EXECUTE format('GRANT SELECT, INSERT ON promotion_decisions, trainings TO %I', current_setting('quintet.role'));
END $$;
