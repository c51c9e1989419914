"""Pods and memory of a running platform: ``python -m bench.platform``."""

import json
from typing import Any

from quintet.ops.kube import Kube

MEBIBYTE = 1 << 20


def main() -> None:
    """Print a table of pods with their working sets, and the totals."""
    rows = working_sets(Kube.of("quintet", None))
    print(f"{'namespace':16} {'pod':44} {'MiB':>6}")
    for (namespace, pod), size in sorted(rows.items()):
        print(f"{namespace:16} {pod:44} {size / MEBIBYTE:6.0f}")
    own = {key: size for key, size in rows.items() if key[0] != "kube-system"}
    print(f"{len(own)} pods without kube-system: {sum(own.values()) / MEBIBYTE:.0f} MiB")


def working_sets(kube: Kube) -> dict[tuple[str, str], int]:
    """Return the memory of each pod that runs, by namespace and name, as the kubelets count it.

    Returns:
        Bytes of the working set, which is what a limit counts and eviction goes by.
    """
    sizes = {}
    for node in kube.core.list_node().items:
        for pod in _summary(kube, node.metadata.name)["pods"]:
            reference = pod["podRef"]
            sizes[reference["namespace"], reference["name"]] = int(
                pod.get("memory", {}).get("workingSetBytes", 0)
            )
    return sizes


def _summary(kube: Kube, node: str) -> dict[str, Any]:
    answer = kube.core.connect_get_node_proxy_with_path(node, "stats/summary", _preload_content=False)
    return dict(json.loads(answer.data))


if __name__ == "__main__":
    main()
