"""Bring Airflow's database to this image's schema, its pools, variables and connections to the values."""

import subprocess

import objects


def main() -> None:
    """Migrate, then bring the objects to their values; a second call changes nothing."""
    subprocess.run(["airflow", "db", "migrate"], check=True)
    objects.main([])


if __name__ == "__main__":
    main()
