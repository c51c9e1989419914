"""The exit codes of a step. `dags/exit_codes.py` says what Airflow does at each."""

DONE = 0
BUG = 1
INVALID_INPUT = 2
DEPENDENCY_UNAVAILABLE = 75
"""EX_TEMPFAIL of sysexits.h: another try may go better."""
NOTHING_TO_DO = 99
"""What Airflow's operators skip a task at, unless told otherwise."""
TERMINATED = 143
"""128 + SIGTERM, as a shell has it."""
