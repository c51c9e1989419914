"""MLflow's command line, where the name of a variable stands for the URL of the tracking database.

    python on_backend.py gc --backend-store-uri MLFLOW_BACKEND_STORE_URI --older-than 7d

`mlflow db upgrade` and `mlflow gc` take the URL as a word of the command alone. Whoever lists the processes
of a pod or of its node reads the words of all, and the database's password with them; the environment is the
process' own.
"""

import os
import sys

from mlflow.cli import cli

BACKEND = "MLFLOW_BACKEND_STORE_URI"

cli([os.environ[BACKEND] if word == BACKEND else word for word in sys.argv[1:]])
