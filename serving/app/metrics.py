"""What Prometheus is told."""

from collections.abc import Mapping, Sequence
from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from app.registry import ModelVersion
from bundle import Label


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        requests = Counter(
            "inference_requests", "Requests, by path and status.", ["path", "status"], registry=self._registry
        )
        seconds = Histogram(
            "inference_request_seconds",
            "Time to the last byte of an answer.",
            ["path"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
            registry=self._registry,
        )
        predictions = Counter(
            "inference_predictions", "Samples answered, by class.", ["class_name"], registry=self._registry
        )
        unknown_categories = Counter(
            "inference_unknown_categories",
            "Samples with a category that training did not see.",
            ["feature"],
            registry=self._registry,
        )
        self.refused = Counter(
            "inference_champion_refused",
            "Times that a champion's bundle was refused.",
            registry=self._registry,
        )
        self.registry_up = Gauge(
            "inference_registry_up", "Whether the registry answered last time.", registry=self._registry
        )
        self._model = Gauge(
            "inference_model",
            "1 for the model version that is served.",
            ["name", "version", "digest"],
            registry=self._registry,
        )

        # A lookup of a label costs more than its count.
        self._requests, self._seconds = cache(requests.labels), cache(seconds.labels)
        self._predictions, self._unknown = cache(predictions.labels), cache(unknown_categories.labels)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests(path, status).inc()
        self._seconds(path).observe(seconds)

    def predicted(
        self, labels: Sequence[Label], ranks: Sequence[int], unknown: Mapping[str, Sequence[int]]
    ) -> None:
        """Counts the samples of a request.

        Args:
            labels: The model's.
            ranks: The place of each sample's label among them.
            unknown: The samples with a category that is new to a feature, by its name.
        """
        for rank in set(ranks):
            self._predictions(labels[rank].name).inc(ranks.count(rank))
        for feature, rows in unknown.items():
            self._unknown(feature).inc(len(rows))

    def served(self, version: ModelVersion) -> None:
        """Notes which version is served from now on."""
        self._model.clear()
        self._model.labels(version.name, version.version or version.run_id, version.digest).set(1)

    def exposition(self) -> bytes:
        """Gives all values in Prometheus' text format."""
        return generate_latest(self._registry)
