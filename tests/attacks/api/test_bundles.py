"""Bundles with right digests that would hang, end or fill the process that answers, or lead it elsewhere."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundle
from app.proof import ProofProcess, ProofUnfinishedError
from app.registry import ModelVersion
from app.settings import Settings
from bundle import BundleError
from bundle.reader import bundle_digest
from tests import services
from tests.attacks.api.conftest import FEATURES, TREE
from tests.serving.conftest import Api, Server
from tests.serving.registry_server import GONE, Registry
from tests.told_bundle import sign

Change = Callable[[Path], object]
SECONDS = 2
MEMORY = 300_000_000
SECRETS = ("ADMIN_TOKEN", "MLFLOW_TRACKING_PASSWORD", "PROMOTION_RECORD_URL")


def changed(sound: Path, folder: Path, change: Change) -> Path:
    """A copy of the sound bundle with a change and right digests."""
    shutil.copytree(sound, folder)
    change(folder)
    sign(folder)
    return folder


def array(name: str, values: Any) -> Change:
    return lambda folder: np.save(folder / f"arrays/{name}.npy", values, allow_pickle=True)


def text(name: str, change: Callable[[dict[str, Any]], object]) -> Change:
    def rewrite(folder: Path) -> None:
        fields = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(change(fields) or fields))

    return rewrite


def header(shape: str, kind: str = "'<f8'") -> Change:
    """An array's file that says that it is larger than it is, or of something else."""

    def write(folder: Path) -> None:
        head = f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        content = b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head.encode()
        (folder / "arrays/threshold.npy").write_bytes(content)

    return write


class Code:
    """Writes a file when it is unpickled."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.trace,)


CHANGES: dict[str, Change] = {
    "a child of floats that comes before its parent": array("left", np.array([0.5, -1.0])),
    "a child that is not a number": array("left", np.array([np.nan, -1.0])),
    "a root that is not a number": array("roots", np.array([np.nan])),
    "no leaves": array("distributions", np.zeros((0, 2))),
    "objects": array("left", np.array([1, -1], dtype=object)),
    "a structure": array("left", np.array([(1,), (-1,)], dtype=[("a", "i4")])),
    "complex numbers": array("threshold", np.array([1j, 2j])),
    "dates": array("threshold", np.array(["2026-01-01", "2026-01-02"], dtype="M8[D]")),
    "no axis": array("roots", np.array(0)),
    "an array that is too large": header("(10**15,)"),
    "a shape below 0": header("(-1,)"),
    "a shape of more than 64 bits": header("(2**70,)"),
    "a type that there is not": header("(2,)", "'<q9'"),
    "a head that is not a literal": header("(2,), 'x': [" + "[" * 90),
    "smoke without rows": text(
        "smoke.json",
        lambda smoke: smoke.update(
            columns={name: [] for name in FEATURES}, labels=[], probabilities=np.zeros((0, 2)).tolist()
        ),
    ),
    "smoke without columns": text("smoke.json", lambda smoke: smoke.update(columns={})),
    "smoke that is a list": text("smoke.json", lambda smoke: [smoke]),
    "smoke of 10^400": text("smoke.json", lambda smoke: smoke["columns"].update({FEATURES[0]: [10**400]})),
    "smoke of nested lists": text(
        "smoke.json", lambda smoke: smoke["columns"].update({FEATURES[0]: [[[1]]]})
    ),
    "smoke of texts": text("smoke.json", lambda smoke: smoke["columns"].update({FEATURES[0]: ["x"]})),
    "smoke of NaN": text("smoke.json", lambda smoke: smoke.update(probabilities=[[float("nan")] * 2] * 20)),
    "nested JSON": lambda folder: (folder / "smoke.json").write_text("[" * 100_000),
    "a contract that is a list": text("contract.json", lambda contract: [contract]),
    "features that are a text": text("contract.json", lambda contract: contract.update(features="abc")),
    "labels that are not a list": text("contract.json", lambda contract: contract.update(labels=5)),
    "an engine of lists": text("contract.json", lambda contract: contract.update(engine=[])),
    "an engine that cannot be a key": text(
        "contract.json", lambda contract: contract["engine"].update(type=[])
    ),
    "weights of texts": text("contract.json", lambda contract: contract.update(class_weights=["a", "b"])),
    "transforms of null": text("contract.json", lambda contract: contract.update(format=2, transforms=None)),
    "a transform that cannot be a key": text(
        "contract.json",
        lambda contract: contract.update(format=2, transforms=[{"type": {}, "parameters": {}}]),
    ),
    "a split of lists": text("contract.json", lambda contract: contract.update(split={"key": [[]]})),
    "an empty model.ubj": lambda folder: [
        (folder / "model.ubj").write_bytes(b""),
        text("contract.json", lambda contract: contract["engine"].update(type="xgboost"))(folder),
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_is_wrong_with_a_bundle_is_a_refusal(sound: Path, tmp_path: Path, change: Change) -> None:
    folder = changed(sound, tmp_path / "bundle", change)
    with pytest.raises(BundleError):
        bundle.load(folder).check_smoke()


def test_an_array_of_code_is_refused_and_does_not_run(sound: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    def plant(folder: Path) -> None:
        np.save(folder / "arrays/left.npy", np.array([Code(str(trace))], dtype=object), allow_pickle=True)
        (folder / "arrays/right.npy").write_bytes(pickle.dumps(Code(str(trace))))

    folder = changed(sound, tmp_path / "bundle", plant)
    with pytest.raises(BundleError):
        bundle.load(folder)
    assert not trace.exists()


FILES: dict[str, Change] = {
    "flipped": lambda file: file.write_bytes(bytes([file.read_bytes()[0] ^ 1]) + file.read_bytes()[1:]),
    "cut": lambda file: os.truncate(file, file.stat().st_size // 2),
    "emptied": lambda file: os.truncate(file, 0),
    "gone": lambda file: file.unlink(),
    "a folder": lambda file: [file.unlink(), file.mkdir()],
    "a pipe": lambda file: [file.unlink(), os.mkfifo(file)],
    "a device": lambda file: [file.unlink(), file.symlink_to("/dev/zero")],
    "a link to itself": lambda file: [file.unlink(), file.symlink_to(file)],
    "another file": lambda file: [file.unlink(), file.symlink_to("/etc/passwd")],
}


@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
@pytest.mark.parametrize("name", ["digests.json", "contract.json", "arrays/left.npy"])
def test_a_file_on_disk_that_is_another_is_refused(
    sound: Path, tmp_path: Path, name: str, change: Change
) -> None:
    folder = tmp_path / "bundle"
    shutil.copytree(sound, folder)
    change(folder / name)
    with pytest.raises(BundleError):
        bundle.load(folder, expected_digest=bundle_digest(sound))


FAULTS = {
    "while True: pass": "proving it took more than 2 seconds of the processor",
    "os.kill(os.getpid(), signal.SIGSEGV)": "proving it ended the process: SIGSEGV",
    "os._exit(3)": "proving it ended the process: exit code 3",
    "bytearray(10**9)": "proving it takes more than 300000000 bytes of memory",
    "numpy.ones(10**9)": "proving it takes more than 300000000 bytes of memory",
    "1 / 0": "loading it failed unexpectedly: ZeroDivisionError('division by zero')",
    f"assert not set({SECRETS}) & set(os.environ)": None,
}


@pytest.fixture
def prove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ProofProcess]:
    """Makes proofs in whose process a fault stands in for what nobody has found yet in native code."""
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")

    def make(fault: str) -> ProofProcess:
        (tmp_path / "sitecustomize.py").write_text(
            "import os, signal, numpy, bundle.reader\n"
            f"def fault(bundle):\n    {fault}\n"
            "bundle.reader.Bundle.check_smoke = fault\n"
        )
        monkeypatch.syspath_prepend(str(tmp_path))
        settings = Settings(mlflow_model_name="forest", proof_seconds=SECONDS, proof_memory_bytes=MEMORY)
        return ProofProcess(settings)

    return make


@pytest.mark.parametrize(("fault", "reason"), FAULTS.items())
def test_a_bundle_that_would_take_the_process_with_it_is_refused(
    sound: Path, prove: Callable[[str], ProofProcess], fault: str, reason: str | None
) -> None:
    proof, version = prove(fault), ModelVersion("forest", "1", "run1", bundle_digest(sound))
    found = None
    try:
        proof(version, sound)
    except BundleError as error:
        found = str(error)
    assert found == reason


def test_a_proof_without_a_process_says_nothing_of_the_bundle(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere")
    with pytest.raises(ProofUnfinishedError, match="No such file or directory"):
        ProofProcess(Settings(mlflow_model_name="forest"))(
            ModelVersion("forest", "1", "run1", bundle_digest(sound)), sound
        )


def test_the_last_good_bundle_goes_on_beside_a_bad_one_also_after_a_restart(
    registry: Registry, start: Callable[..., Server], sound: Path, tmp_path: Path
) -> None:
    registry.promote(1, sound)
    first = start(registry.url)
    assert services.wait_until(lambda: first.version() == "1", 60)
    registry.promote(2, changed(sound, tmp_path / "bad", array("distributions", TREE["distributions"][::-1])))

    def refused(server: Server) -> Any:
        return server.get("/metadata").json()["registry"]["refused"]

    assert services.wait_until(lambda: refused(first), 60)
    assert first.version() == "1"
    assert "another answer than training recorded" in refused(first)["reason"]
    first.stop()
    second = start(registry.url)
    assert services.wait_until(lambda: second.version() == "1", 60)
    assert refused(second)["version"] == "2"
    assert "inference_champion_refused_total" in second.http.get(f"{second.admin_url}/metrics").text


def test_a_proof_that_did_not_end_leaves_the_good_bundle_on_disk(
    registry: Registry, api: Callable[..., Api], sound: Path, tmp_path: Path
) -> None:
    registry.promote(1, sound)
    api().refresh()
    registry.broken = GONE
    restarted = api()

    def unfinished(version: object, folder: Path) -> None:
        raise ProofUnfinishedError("it was not proved within 120 seconds")

    restarted.champion._prove = unfinished
    ready = restarted.refresh().client.get("/ready")
    assert ready.json()["detail"].endswith("the bundle on disk: it was not proved within 120 seconds")
    assert api().refresh().client.get("/metadata").json()["version"] == "1"


def test_a_bundle_that_is_too_large_is_refused_while_it_comes(
    registry: Registry, api: Callable[..., Api], sound: Path, tmp_path: Path
) -> None:
    registry.promote(1, sound)
    asked = api(max_bundle_bytes=3000).refresh()
    refused = asked.client.get("/metadata").json()["registry"]["refused"]
    assert refused == {"version": "1", "reason": "it is larger than 3000 bytes (MAX_BUNDLE_BYTES)"}
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []
