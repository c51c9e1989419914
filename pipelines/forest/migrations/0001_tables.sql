-- The forest pipeline's tables. Each statement may be repeated: they also take over
-- tables that were made before migrations were counted.
-- The steps log in as role forest, which reads and adds rows, and can change or remove none but the watermarks.

CREATE SCHEMA IF NOT EXISTS forest;
CREATE SCHEMA IF NOT EXISTS train_data;
CREATE SCHEMA IF NOT EXISTS forest_full;

-- Text is compared by bytes and the key begins with the columns that differ most: most look-ups end at the first ones.
CREATE TABLE IF NOT EXISTS forest.forest_cover_samples (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    elevation integer,
    aspect integer,
    slope integer,
    horizontal_distance_to_hydrology integer,
    vertical_distance_to_hydrology integer,
    horizontal_distance_to_roadways integer,
    hillshade_9am integer,
    hillshade_noon integer,
    hillshade_3pm integer,
    horizontal_distance_to_fire_points integer,
    wilderness_area text COLLATE "C",
    soil_type text COLLATE "C",
    cover_type smallint NOT NULL,
    batch_number integer NOT NULL,
    captured_at timestamptz NOT NULL,
    CONSTRAINT forest_cover_samples_key UNIQUE NULLS NOT DISTINCT (
        horizontal_distance_to_roadways, horizontal_distance_to_fire_points, elevation, aspect, slope,
        horizontal_distance_to_hydrology, vertical_distance_to_hydrology, hillshade_9am, hillshade_noon, hillshade_3pm,
        wilderness_area, soil_type, cover_type
    )
);

-- The whole file, apart from the captures, for training on everything.
CREATE TABLE IF NOT EXISTS forest_full.forest_cover_samples (
    LIKE forest.forest_cover_samples INCLUDING IDENTITY INCLUDING INDEXES
);

-- A second team's captures, under the source's own column names.
CREATE TABLE IF NOT EXISTS train_data.forest_cover_data (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "Elevation" integer,
    "Aspect" integer,
    "Slope" integer,
    "Horizontal_Distance_To_Hydrology" integer,
    "Vertical_Distance_To_Hydrology" integer,
    "Horizontal_Distance_To_Roadways" integer,
    "Hillshade_9am" integer,
    "Hillshade_Noon" integer,
    "Hillshade_3pm" integer,
    "Horizontal_Distance_To_Fire_Points" integer,
    "Wilderness_Area" text COLLATE "C",
    "Soil_Type" text COLLATE "C",
    "Cover_Type" smallint NOT NULL,
    batch_number integer NOT NULL,
    captured_at timestamptz NOT NULL,
    CONSTRAINT forest_cover_data_key UNIQUE NULLS NOT DISTINCT (
        "Horizontal_Distance_To_Roadways", "Horizontal_Distance_To_Fire_Points", "Elevation", "Aspect", "Slope",
        "Horizontal_Distance_To_Hydrology", "Vertical_Distance_To_Hydrology", "Hillshade_9am", "Hillshade_Noon",
        "Hillshade_3pm", "Wilderness_Area", "Soil_Type", "Cover_Type"
    )
);

-- One row a load, written in the load's own transaction: a retry that finds it has nothing left to do.
CREATE TABLE IF NOT EXISTS forest.ingest_audit (
    dag_id text NOT NULL,
    run_id text NOT NULL,
    table_name text NOT NULL,
    source_uri text NOT NULL,
    source_sha256 text NOT NULL,
    rows_read bigint NOT NULL,
    rows_new bigint NOT NULL,
    rows_duplicate bigint NOT NULL,
    batch_number integer NOT NULL,
    captured_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (dag_id, run_id, table_name)
);

-- The newest capture of each table.
CREATE TABLE IF NOT EXISTS forest.ingest_watermarks (
    table_name text PRIMARY KEY,
    batch_number integer NOT NULL,
    captured_at timestamptz NOT NULL,
    run_id text NOT NULL
);

DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO forest', current_database());
END $$;
GRANT USAGE ON SCHEMA forest, train_data, forest_full TO forest;
GRANT SELECT, INSERT ON
    forest.forest_cover_samples, forest_full.forest_cover_samples, train_data.forest_cover_data, forest.ingest_audit
    TO forest;
GRANT SELECT, INSERT, UPDATE ON forest.ingest_watermarks TO forest;
