"""The platform as processes of this machine: the same DAGs, steps and serving app, and no cluster."""
