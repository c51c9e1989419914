"""Imported by every Airflow process as it starts: loads the Kubernetes operator before the forks.

The scheduler forks a process for each task, and the DAG processor one for each parse. Without this each
of them would import the operator anew: 1 s of a core, measured.
"""

import importlib
import sys

__all__: list[str] = []  # what stands here would become a setting of Airflow

if {"scheduler", "dag-processor"} & set(sys.argv[1:]):
    importlib.import_module("airflow.providers.cncf.kubernetes.operators.pod")
