from datetime import UTC, datetime

from quintet.kind.prune import superseded

NOW = datetime(2026, 11, 25, tzinfo=UTC)
OLD, NEW = "2026-11-01 10:00:00 +0100 CET", "2026-11-24 10:00:00 +0000 UTC"
USED = {"quintet/airflow:now", "localhost:5001/quintet/airflow:now"}


def removed(*images: tuple[str, str]) -> list[str]:
    return list(superseded("\n".join("\t".join(image) for image in images), USED, NOW))


def test_old_versions_of_what_is_in_use_go_from_engine_and_registry_names() -> None:
    old = ["quintet/airflow:before", "localhost:5001/quintet/airflow:before"]
    assert removed(*((name, OLD) for name in old)) == old


def test_what_is_in_use_stays_however_old() -> None:
    assert removed(*((name, OLD) for name in USED)) == []


def test_a_version_of_the_last_days_stays() -> None:
    assert removed(("quintet/airflow:before", NEW)) == []


def test_other_names_and_images_without_one_stay() -> None:
    assert removed(("quintet/node:v1", OLD), ("postgres:17", OLD), ("<none>:<none>", OLD)) == []
