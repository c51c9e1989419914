"""Who is champion: challenger against champion, the record of decisions, and how the world learns of it.

A pipeline says in a `Contest` how its models are judged; its steps `evaluate` and `promote` stand on
`evaluation.evaluate` and `promoting.promote`. The record in Postgres decides, the alias in MLflow follows.
"""
