"""Keeps the served model equal to the champion of registry and record."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.bundle_cache import BundleCache
from app.latest_input import LatestInput
from app.metrics import Metrics
from app.model import ServedModel
from app.proof import ProofUnfinishedError, Prove
from app.registry import DisagreementError, ModelVersion, Registry, RegistryUnavailableError
from app.settings import Settings
from bundle import BundleError

if TYPE_CHECKING:
    from app.record import Record

FIRST_RETRY_SECONDS = 10.0
LAST_RETRY_SECONDS = 300.0
SETTLING_SECONDS = 60.0
"""So long the record is asked at each poll when it disagrees: a promotion that is under way ends that."""

FORESEEN = (BundleError, DisagreementError, OSError, ProofUnfinishedError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """A champion that is not served, and why."""

    version: ModelVersion | None
    reason: str
    retry_seconds: float
    since: float
    """When it was first refused, by `time.monotonic`."""
    disagrees: bool
    """Whether the record names another one, which says nothing of this one's bundle."""


@dataclass(frozen=True)
class RegistryState:
    """What the last look at the registry found."""

    reachable: bool
    detail: str


class Champion:
    """The model that is served now; `model` is one reference, swapped whole."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        cache: BundleCache,
        metrics: Metrics,
        prove: Prove,
        record: Record | None = None,
    ) -> None:
        """Prepares; the registry is first asked by `refresh` or `follow`.

        Args:
            settings: Of the API.
            registry: Names the champion.
            cache: Keeps bundles on disk.
            metrics: Hear of what is served and refused.
            prove: Is shown each bundle before this process opens it, and raises where it must not.
            record: Has to name the same champion; None where the registry is trusted alone.
        """
        self.model: ServedModel | None = None
        self.registry_state = RegistryState(False, "The registry has not been asked yet.")
        self.refusal: Refusal | None = None
        self._settings, self._registry, self._cache, self._metrics = settings, registry, cache, metrics
        self._prove, self._record = prove, record
        self._agreed: ModelVersion | None = None
        uri = settings.model_input_uri
        self._latest = LatestInput(uri, settings.poll_seconds) if uri else None
        self._vacant = False
        self._retry_at = 0.0
        self._refreshing = threading.Lock()

    @property
    def version(self) -> ModelVersion | None:
        """The version that is served."""
        return self.model.version if self.model else None

    @property
    def ready(self) -> bool:
        """Whether requests may come: a model is loaded, or the registry last said that there is none yet."""
        return self.model is not None or self._vacant

    def follow(self, stop: threading.Event) -> None:
        """Asks the registry again and again, with a jitter of a fifth, until told to stop."""
        while not stop.is_set():
            try:
                self.refresh()
            except Exception:
                log.exception("the registry's answer could not be used; the model in memory stays")
            stop.wait(self._settings.poll_seconds * random.uniform(0.8, 1.2))  # noqa: S311

    def refresh(self, *, retry_refused: bool = False) -> None:
        """Asks the registry once, and serves its champion when that is another one and proves good.

        Args:
            retry_refused: Try a refused champion at once; else after a delay that doubles up to five minutes.
        """
        with self._refreshing:
            try:
                self._refresh(retry_refused)
            except RegistryUnavailableError as error:
                self._found(RegistryState(False, str(error)), told=error.__cause__ or error)
            except Exception as error:
                kind = type(error).__name__  # what else it says may be of this network
                self._found(RegistryState(False, f"The registry's answer cannot be used: {kind}"), error)
            if self.model is None and (self.refusal or not self.registry_state.reachable):
                self._serve_last_good()

    def _refresh(self, retry_refused: bool) -> None:
        try:
            version = self._registry.champion()
        except BundleError as error:
            self._found(RegistryState(True, "The registry names a champion without a bundle."))
            self._refuse(None, error)
            return
        if version is None:
            self._vacant, self.refusal = True, None
            self._found(RegistryState(True, "The registry names no champion."))
            return
        # What is served from disk was agreed on before a restart, or taken by a release that did not ask.
        settled = version == self.version == self._agreed
        waits = self._is_refused(version) and not retry_refused and time.monotonic() < self._retry_at
        disagreement = None if settled or waits else self._disagreement(version)
        self._found(RegistryState(True, "The registry names a champion."))
        if settled:
            self.refusal = None
        elif disagreement:
            self._refuse(version, disagreement)
        elif not waits:
            self._take(version)

    def _disagreement(self, version: ModelVersion) -> DisagreementError | None:
        try:
            if self._record:
                self._record.confirm(version)
        except DisagreementError as error:
            return error
        return None

    def _take(self, version: ModelVersion) -> None:
        """Serves the champion, on which registry and record agree, once it proves good."""
        if version != self.version:
            try:
                folder = self._cache.get(
                    version.digest, lambda target: self._registry.download(version, target)
                )
                self._serve(self._load(version, folder))
            except RegistryUnavailableError:
                raise
            except Exception as error:
                self._refuse(version, error)
                return
        self._agreed, self.refusal = version, None
        try:
            self._cache.keep(version)
        except OSError as error:
            log.error("a restart without the registry will not find the served bundle on disk: %s", error)

    def _load(self, version: ModelVersion, folder: Path) -> ServedModel:
        self._prove(version, folder)
        return ServedModel.load(version, folder, self._settings.max_samples, self._latest)

    def _serve(self, model: ServedModel) -> None:
        self.model = model
        self._metrics.served(model.version)
        log.info("serving %s version %s, bundle %s", *_words(model.version))

    def _serve_last_good(self) -> None:
        """Serves what is on disk: after a restart, the registry may be away or its champion be refused."""
        last = self._cache.last_good()
        if last is None or (self._is_refused(last[0]) and not (self.refusal and self.refusal.disagrees)):
            return
        version, folder = last
        try:
            self._serve(self._load(version, folder))
        except Exception as error:
            if self.refusal is None:
                self._refuse(version, error, "the bundle on disk: ")

    def _refuse(self, version: ModelVersion | None, error: Exception, which: str = "") -> None:
        reason = f"{which}{_told(error)}"
        bug = None if isinstance(error, FORESEEN) else error
        disagrees = isinstance(error, DisagreementError)
        now = time.monotonic()
        since, delay = now, FIRST_RETRY_SECONDS
        if self.refusal and self._is_refused(version):
            since = self.refusal.since
            delay = min(max(self.refusal.retry_seconds * 2, delay), LAST_RETRY_SECONDS)
        if disagrees and now - since < SETTLING_SECONDS:
            delay = 0
        if self.refusal is None or self.refusal.reason != reason:
            log.error("the champion is refused and the model in memory stays: %s", reason, exc_info=bug)
        self._vacant, self.refusal = False, Refusal(version, reason, delay, since, disagrees)
        self._retry_at = now + delay
        self._metrics.refused.inc()
        unknown = disagrees or isinstance(error, ProofUnfinishedError)  # it may be the last good one
        if version and not unknown and not (self.model and self.model.version.digest == version.digest):
            self._cache.drop(version.digest)

    def _is_refused(self, version: ModelVersion | None) -> bool:
        return self.refusal is not None and self.refusal.version == version

    def _found(
        self, state: RegistryState, bug: Exception | None = None, told: BaseException | None = None
    ) -> None:
        if state.reachable != self.registry_state.reachable or (bug and state != self.registry_state):
            log.info("%s%s", state.detail, f" ({told!r})" if told else "", exc_info=bug)
        self.registry_state = state
        self._metrics.registry_up.set(state.reachable)


def _told(error: Exception) -> str:
    """Returns why a bundle is not served, for everybody to read: without this machine's paths."""
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror or type(error).__name__}"
    return str(error) if isinstance(error, FORESEEN) else f"loading it failed unexpectedly: {error!r}"


def _words(version: ModelVersion) -> tuple[str, str | None, str]:
    return version.name, version.version, version.digest
