"""What every step stands on: its contract with Airflow, its connections to Postgres, S3, HTTP and MLflow."""
