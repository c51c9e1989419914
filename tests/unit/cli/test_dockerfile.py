from pathlib import Path

import pytest

from quintet.kind.dockerfile import Dockerfile
from quintet.progress import UserError

TEXT = """\
# A comment that changes no image.
ARG BASE_IMAGE=debian
FROM $BASE_IMAGE AS build
COPY lock.txt \\
     /lock.txt
RUN make

FROM $BASE_IMAGE AS light
COPY code/light.py /app/

FROM light AS heavy
COPY --from=build /out /out
COPY code /app/
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(TEXT)
    (tmp_path / "lock.txt").write_text("numpy==2")
    (tmp_path / "code").mkdir()
    for name in ("light", "heavy"):
        (tmp_path / "code" / f"{name}.py").write_text(f"print('{name}')")
    return tmp_path


def digest(context: Path, target: str | None, **arguments: str) -> str:
    return Dockerfile.parse(context / "Dockerfile").digest(target, context, arguments)


def test_a_target_needs_its_base_and_what_it_copies_from(context: Path) -> None:
    dockerfile = Dockerfile.parse(context / "Dockerfile")
    assert [stage.name for stage in dockerfile.needed("light")] == ["light"]
    assert [stage.name for stage in dockerfile.needed(None)] == ["build", "light", "heavy"]


def test_a_mounted_stage_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM a AS wheels\nFROM b AS app\nRUN --mount=type=bind,from=wheels,target=/w install\n")
    assert [stage.name for stage in Dockerfile.parse(path).needed("app")] == ["wheels", "app"]


def test_the_digest_follows_only_what_the_target_is_made_from(context: Path) -> None:
    light, heavy = digest(context, "light"), digest(context, "heavy")
    (context / "lock.txt").write_text("numpy==3")
    (context / "code" / "heavy.py").write_text("print('other')")
    assert digest(context, "light") == light
    assert digest(context, "heavy") != heavy


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("# A comment", "# Another", True), ("RUN make", "RUN make all", False), ("=debian", "=ubuntu", False)],
)
def test_the_digest_follows_the_instructions(context: Path, old: str, new: str, same: bool) -> None:
    before = digest(context, "heavy")
    (context / "Dockerfile").write_text(TEXT.replace(old, new))
    assert (digest(context, "heavy") == before) is same


def test_the_digest_follows_arguments_and_the_executable_bit(context: Path) -> None:
    before = digest(context, "light", BASE_IMAGE="base:1")
    assert digest(context, "light", BASE_IMAGE="base:2") != before
    (context / "code" / "light.py").chmod(0o755)
    assert digest(context, "light", BASE_IMAGE="base:1") != before


@pytest.mark.parametrize(
    ("rule", "same"),
    [
        ("**/*.pyc", True),
        ("code/__pycache__", True),
        ("*.pyc", False),
        ("**/*.pyc\n!code/__pycache__/a.pyc", False),
    ],
)
def test_the_digest_obeys_dockerignore(context: Path, rule: str, same: bool) -> None:
    (context / ".dockerignore").write_text(f"# bytecode\n{rule}\n")
    before = digest(context, "heavy")
    (context / "code" / "__pycache__").mkdir()
    (context / "code" / "__pycache__" / "a.pyc").write_text("bytes")
    assert (digest(context, "heavy") == before) is same


@pytest.fixture
def given(context: Path) -> Path:
    """Beside the other files, a Dockerfile whose copies depend on its arguments."""
    (context / "Dockerfile").write_text("FROM base\nARG NAME\nARG FILE\nCOPY code/${NAME} $FILE /app/\n")
    return context


def test_a_copy_takes_what_its_build_arguments_name(given: Path) -> None:
    before = digest(given, None, NAME="light.py", FILE="lock.txt")
    (given / "code" / "heavy.py").write_text("print('other')")
    assert digest(given, None, NAME="light.py", FILE="lock.txt") == before
    (given / "code" / "light.py").write_text("print('other')")
    after = digest(given, None, NAME="light.py", FILE="lock.txt")
    assert after != before
    (given / "lock.txt").write_text("numpy==3")
    assert digest(given, None, NAME="light.py", FILE="lock.txt") != after


def test_a_copy_whose_build_argument_is_not_given_is_named(given: Path) -> None:
    with pytest.raises(UserError, match=r"COPY \$FILE: there is no such file"):
        digest(given, None, NAME="light.py")


def test_only_the_files_that_a_stage_picks_have_a_part_in_the_digest(context: Path) -> None:
    dockerfile, picked = Dockerfile.parse(context / "Dockerfile"), {context / "code" / "light.py"}
    before = dockerfile.digest("heavy", context, {}, picked)
    (context / "code" / "heavy.py").write_text("print('other')")
    assert dockerfile.digest("heavy", context, {}, picked) == before
    (context / "code" / "light.py").write_text("print('other')")
    assert dockerfile.digest("heavy", context, {}, picked) != before


def test_what_is_missing_is_named(context: Path) -> None:
    with pytest.raises(UserError, match="has no target middle; it has build, light, heavy"):
        digest(context, "middle")
    (context / "lock.txt").unlink()
    with pytest.raises(UserError, match=r"COPY lock\.txt: there is no such file"):
        digest(context, "heavy")
