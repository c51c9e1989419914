"""Pipelines that are releases of their own: how their DAG files and step images reach Airflow, by S3.

A pipeline's release is one object, named by the hash of its bytes. A version lists the releases that hold
together, and is named by its hash too. `current` names one version. Only `current` ever changes, and only if
it still is what its writer has read.
"""
