"""What Prometheus is told."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from app.registry import ModelVersion
from bundle import Label

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class RequestCounts(Collector):
    """What is counted at every request: by the thread of the web server alone, and so without a lock."""

    def __init__(self) -> None:
        self._requests: defaultdict[tuple[str, int], int] = defaultdict(int)
        self._times: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BUCKETS) + 1))
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._predictions: defaultdict[str, int] = defaultdict(int)
        self._unknown: defaultdict[str, int] = defaultdict(int)
        self._unknown_fields = 0
        self.dropped: defaultdict[str, int] = defaultdict(int)
        """Connections by why: the client did not send a head or a body in time, or did not take an answer, or
        they were too many."""

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts a request."""
        self._requests[path, status] += 1
        self._times[path][bisect_left(BUCKETS, seconds)] += 1
        self._seconds[path] += seconds

    def predicted(
        self,
        labels: Sequence[Label],
        ranks: Sequence[int],
        unknown: Mapping[str, Sequence[int]],
        unknown_fields: int,
    ) -> None:
        """Counts the samples of a request.

        Args:
            labels: The model's.
            ranks: The place of each sample's label among them.
            unknown: The samples with a category that is new to a feature, by its name.
            unknown_fields: How many samples have a field that is not a feature.
        """
        for rank in ranks:
            self._predictions[labels[rank].name] += 1
        for feature, rows in unknown.items():
            self._unknown[feature] += len(rows)
        self._unknown_fields += unknown_fields

    def collect(self) -> Iterator[CounterMetricFamily | HistogramMetricFamily]:
        """Returns the counts as Prometheus' client wants them."""
        requests = CounterMetricFamily(
            "inference_requests", "Requests, by path and status.", labels=["path", "status"]
        )
        for (path, status), count in list(self._requests.items()):
            requests.add_metric([path, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "inference_request_seconds", "Time to the last byte of an answer.", labels=["path"]
        )
        for path, times in list(self._times.items()):
            bounds = [*map(float, BUCKETS), float("inf")]
            below = [("+Inf" if bound == float("inf") else str(bound)) for bound in bounds]
            seconds.add_metric(
                [path], list(zip(below, accumulate(times), strict=True)), sum_value=self._seconds[path]
            )
        yield seconds
        for name, help_text, label, counts in (
            ("inference_predictions", "Samples answered, by class.", "class_name", self._predictions),
            (
                "inference_unknown_categories",
                "Samples with a category that training did not see.",
                "feature",
                self._unknown,
            ),
        ):
            samples = CounterMetricFamily(name, help_text, labels=[label])
            for value, count in list(counts.items()):
                samples.add_metric([value], count)
            yield samples
        # Without the fields' names, which clients choose: they would be series without end.
        yield CounterMetricFamily(
            "inference_unknown_fields",
            "Samples with a field that is not a feature of the model.",
            value=self._unknown_fields,
        )
        dropped = CounterMetricFamily(
            "inference_connections_dropped",
            "Connections that were too many, or whose client stalled in a head, a body or an answer.",
            labels=["reason"],
        )
        for reason, count in list(self.dropped.items()):
            dropped.add_metric([reason], count)
        yield dropped


class Metrics:
    """The metrics of one process, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.counts = RequestCounts()
        self._registry.register(self.counts)
        self.refused = Counter(
            "inference_champion_refused",
            "Times that a champion was refused.",
            registry=self._registry,
        )
        self.registry_up = Gauge(
            "inference_registry_up",
            "Whether the registry answered last time, and the record of promotions where it was asked.",
            registry=self._registry,
        )
        self._model = Gauge(
            "inference_model",
            "1 for the model version that is served.",
            ["name", "version", "digest"],
            registry=self._registry,
        )

    def served(self, version: ModelVersion) -> None:
        """Notes which version is served from now on."""
        self._model.clear()
        self._model.labels(version.name, version.version or version.run_id, version.digest).set(1)

    def exposition(self) -> bytes:
        """Returns all values in Prometheus' text format."""
        return generate_latest(self._registry)
