"""One training run of a pipeline with one estimator on its wires."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from minigrad import nn, training
from minigrad.estimators import Estimator, parse
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.pipeline.cutting import balanced_cuts, boundaries, cut
from minigrad.experiments.pipeline.run_stages import Diverged, run_stages
from minigrad.experiments.pipeline.sketching import sketched
from minigrad.experiments.pipeline.stage import Counts, Plan, checkpoint_path
from minigrad.experiments.pipeline.wire_noise import noise_key, trained, wire_variance
from minigrad.extensions import import_extension, imported
from minigrad.fingerprint import describe
from minigrad.report import json_ready
from minigrad.streams import Domain, as_generator
from minigrad.threads import one_thread
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import load_checkpoint

__all__ = ["PipelineJob", "PipelineRun", "check_estimator"]


@dataclass(frozen=True)
class PipelineRun:
    """The results of one pipeline.

    Attributes
    ----------
    key, label : str
        The label is the estimator of the wires.
    seed : int
    cuts : tuple of int
    steps : int
        That were taken.
    forward_bytes, backward_bytes : float
        Of activations, and of cotangents, in a step, over all cuts and with headers.
    headers : float
        Those of cotangents in a step.
    seconds : float
        Of a step, from end to end: of a machine that does nothing else.
    cpu, coding : float
        Seconds of processors in a step, all stages together; and those in which they sketched cotangents, and made and
        read frames.
    variance, variance_error : float
        E‖ĝ − g‖²/‖g‖² of the parameters before the last cut, and its standard error over draws; None if it diverged.
    train_loss : float or None
        The mean over the last tenth of all steps.
    test_loss, accuracy : float or None
        On test data.
    restarts : int
        How often stages were started again.
    digest : str
        A checksum of all parameters in the end.
    diverged : str or None
        The message, where the loss was no longer finite.
    """

    key: str
    label: str
    seed: int
    cuts: tuple[int, ...]
    steps: int
    forward_bytes: float
    backward_bytes: float
    headers: float
    seconds: float
    cpu: float
    coding: float
    variance: float
    variance_error: float
    train_loss: float | None
    test_loss: float | None
    accuracy: float | None
    restarts: int
    digest: str
    diverged: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data; `from_dict` reads it."""
        return dict(json_ready(asdict(self)))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> PipelineRun:
        """The run that `to_dict` wrote."""
        return cls(**{**data, "cuts": tuple(data["cuts"])})


@dataclass(frozen=True)
class PipelineJob:
    """One pipeline that is to be trained.

    Parameters
    ----------
    configuration : Configuration
        Its learning rate stays the same throughout; it has no augmentation and no ``max_norm``, for a norm of the whole
        gradient is nowhere known.
    wire : str
        The estimator of cotangents, as `minigrad.estimators.parse` takes it.
    seed : int
    steps : int
    stages : int
    cuts : tuple of int
        Default: those of `minigrad.experiments.pipeline.cutting.balanced_cuts`.
    draws : int
        For the variance.
    every : int
        Steps between checkpoints.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.
    """

    configuration: Configuration
    wire: str
    seed: int
    steps: int
    stages: int = 2
    cuts: tuple[int, ...] = ()
    draws: int = 40
    every: int = 50
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        run = self.configuration.key(Method("exact"), self.seed)
        what = ["pipeline", run, describe(parse(self.wire), "wire"), self.wire, self.steps, self.stages, self.cuts,
                self.draws]  # fmt: skip
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    @property
    def places(self) -> tuple[int, ...]:
        """The cuts."""
        return self.cuts or tuple(balanced_cuts(self._model(), self.stages))

    def _model(self) -> nn.Module:
        c, data = self.configuration, self.configuration.load()
        return nn.models.build(c.model, data.input_shape, data.num_classes, rng=self.seed)

    def check(self) -> None:
        """Raise before anything is started that cannot be done.

        Raises
        ------
        ValueError
            If the configuration, the cuts or the estimator cannot be used.
        TypeError
            If the modules of the model do not run one after the other.
        """
        c = self.configuration
        if c.augment or c.max_norm is not None:
            raise ValueError("pipeline: its stages neither augment data nor clip the norm of the whole gradient")
        estimator, x = parse(self.wire), c.load().x_train
        Batches(len(x), c.batch_size, self.seed)
        stages = cut(self._model(), self.places)
        for shape, dtype in boundaries(stages, x, c.batch_size):
            check_estimator(self.wire, estimator, np.ones(shape, dtype))

    @one_thread()
    def __call__(self, checkpoint: Path | None = None) -> PipelineRun:
        """Train in processes of its own; what they keep goes into a folder beside the checkpoint, which is removed."""
        for name in self.extensions:
            import_extension(name)
        self.check()
        if checkpoint is None:
            with tempfile.TemporaryDirectory(prefix="minigrad-pipeline-") as name:
                return self._done(Path(name))
        folder = checkpoint.with_suffix(".stages")
        run = self._done(folder)
        shutil.rmtree(folder, ignore_errors=True)
        return run

    def _done(self, folder: Path) -> PipelineRun:
        cuts = self.places
        stages = len(cuts) + 1
        plan = Plan(
            self.key,
            self.configuration,
            self.seed,
            cuts,
            self.steps,
            self.wire,
            self.every,
            str(folder),
            self.extensions,
        )
        model, x, y = trained(self.configuration, self.seed, self.steps)
        noise = wire_variance(model, cuts, x, y, parse(self.wire), self.draws, noise_key(self.seed))
        try:
            restarts = run_stages(plan, stages)
        except Diverged as error:
            return self._run(cuts, noise, [Counts()], 0, None, None, None, "", str(error))
        model = self._model()
        counts, digest = [], hashlib.sha256()
        for k, stage in enumerate(cut(model, cuts)):
            arrays, meta = load_checkpoint(checkpoint_path(folder, k, self.steps))
            state = {name.removeprefix("model/"): array for name, array in arrays.items() if name[:6] == "model/"}
            stage.load_state_dict(state)
            counts.append(Counts(**meta["counts"]))
            for name in sorted(state):
                digest.update(state[name].tobytes())
        losses = counts[-1].losses[-max(1, self.steps // 10) :]
        data = self.configuration.load()
        test_loss, accuracy = training.evaluate(model, data.x_test, data.y_test)
        return self._run(
            cuts, noise, counts, restarts, statistics.fmean(losses), test_loss, accuracy, digest.hexdigest()[:16], None
        )

    def _run(
        self,
        cuts: tuple[int, ...],
        noise: tuple[float, float],
        counts: Sequence[Counts],
        restarts: int,
        train_loss: float | None,
        test_loss: float | None,
        accuracy: float | None,
        digest: str,
        diverged: str | None,
    ) -> PipelineRun:
        steps = max(1, len(counts[-1].losses))
        return PipelineRun(
            key=self.key,
            label=self.wire,
            seed=self.seed,
            cuts=cuts,
            steps=len(counts[-1].losses),
            forward_bytes=sum(each.forward_bytes for each in counts) / steps,
            backward_bytes=sum(each.backward_bytes for each in counts) / steps,
            headers=sum(each.backward_headers for each in counts) / steps,
            seconds=counts[0].seconds / steps,
            cpu=sum(each.cpu for each in counts) / steps,
            coding=sum(each.coding for each in counts) / steps,
            variance=noise[0],
            variance_error=noise[1],
            train_loss=train_loss,
            test_loss=test_loss if test_loss is None or math.isfinite(test_loss) else None,
            accuracy=accuracy,
            restarts=restarts,
            digest=digest,
            diverged=diverged,
        )


def check_estimator(text: str, estimator: Estimator, g: np.ndarray[Any, Any]) -> None:
    """Raise unless it can take a cotangent of this shape, and needs nothing else."""
    why = estimator.unfit(g.shape)
    if not why:
        try:
            sketched(estimator, g, as_generator(Domain.SAMPLE, 0))
        except Exception as error:
            why = f"it must do with the cotangent alone, for what its node saved is on another machine ({error})"
    if why:
        raise ValueError(f"pipeline: {text} on a wire, for a cotangent of shape {g.shape}: {why}")
