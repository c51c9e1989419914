"""Who is champion: challenger against champion, the record of decisions, and how the world learns of it.

A pipeline says in a `Policy` how its models are judged; its steps `evaluate` and `promote` stand on
`evaluate_step.evaluate` and `promote_step.promote`. The record in Postgres decides, the alias in MLflow
follows.
"""
