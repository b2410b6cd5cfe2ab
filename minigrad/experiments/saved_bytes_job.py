"""One network, and sketches of what it saves: bytes of the tape, variance, seconds of a step, accuracy."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from minigrad import nn, ops, training
from minigrad.datasets import Dataset
from minigrad.engine.estimator import Estimator
from minigrad.engine.tape import Tape
from minigrad.estimators import parse
from minigrad.estimators.text import shown_text
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.method import Method
from minigrad.experiments.saved_bytes_result import EXACT, PARTS, SavedBytesPoint, SavedBytesRun
from minigrad.extensions import import_extension, imported
from minigrad.nn import Module
from minigrad.streams import Domain, generator, key_of
from minigrad.structure import dense
from minigrad.threads import one_thread
from minigrad.training.loop import Loop
from minigrad.typing import Array

__all__ = ["SAVED", "SavedBytesJob", "activation_bytes", "choose", "saved_as"]

SAVED = (
    "rounding(8)",
    "rounding(5, axis=block)",
    "rounding(4)",
    "rounding(4, axis=block)",
    "rounding(2)",
    "rounding(1)",
    "weights: mask(0.1, axis=row)",
    "weights: projection(0.1)",
)
"""Sketches that are measured if nothing else is said."""

OF_WEIGHTS = "weights:"
TURNS = 5
"""Steps of each kind that are timed, in turn; the fastest counts."""


def saved_as(text: str) -> tuple[Estimator, bool]:
    """An estimator as text, and whether it is for the inputs of weights alone.

    Raises
    ------
    ValueError
        If the text is not understood.

    Examples
    --------
    >>> saved_as("weights: mask(0.1, axis=row)"), saved_as("rounding(4)")
    ((Mask(0.1, axis='row'), True), (StochasticRounding(4), False))
    """
    alone = text.strip().startswith(OF_WEIGHTS)
    try:
        return parse(text.strip().removeprefix(OF_WEIGHTS).strip()), alone
    except ValueError as error:
        raise ValueError(f"save={shown_text(text)}: {error}") from error


def activation_bytes(tape: Tape, given: Array) -> int:
    """Bytes that a tape holds beside its leaves and the batch, which are there anyway.

    Examples
    --------
    >>> import minigrad as mg
    >>> x, w = np.ones((4, 3)), mg.Tensor(np.ones((2, 3)), requires_grad=True)
    >>> with Tape() as tape:
    ...     y = ops.tanh(ops.linear(x, w))
    >>> activation_bytes(tape, x)  # the tanh of 4 × 2 numbers
    64
    """
    without = {id(given), *(id(leaf.data) for leaf in tape.leaves)}
    saved: dict[int, Array] = {}
    for node in tape.nodes:
        saved.update(node.saved_arrays())
    return sum(array.nbytes for key, array in saved.items() if key not in without)


@dataclass(frozen=True)
class SavedBytesJob:
    """One network and seed.

    Parameters
    ----------
    configuration : Configuration
        Its learning rate stays the same throughout.
    seed : int
    steps : int
        Of training, before noise is measured; and with each estimator, before accuracy is.
    saved : tuple of str
        As `saved_as` takes them.
    batches : int
        Over which noise is measured.
    extensions : tuple of str
        As for `minigrad.experiments.jobs.Job`.
    """

    configuration: Configuration
    seed: int
    steps: int = 300
    saved: tuple[str, ...] = SAVED
    batches: int = 20
    extensions: tuple[str, ...] = field(default_factory=imported)

    @property
    def key(self) -> str:
        """The name under which its run is kept."""
        run = self.configuration.key(Method("exact"), self.seed)
        what = ["saved bytes", run, self.steps, self.saved, self.batches]
        return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:16]

    @one_thread()
    def __call__(self, checkpoint: Path | None = None) -> SavedBytesRun:
        """Train and measure, in whatever process this is; some minutes, so that there is no checkpoint."""
        for name in self.extensions:
            import_extension(name)
        data = self.configuration.load()
        kinds: dict[str, tuple[Estimator | None, bool]] = {EXACT: (None, False)}
        kinds |= {text: saved_as(text) for text in self.saved}
        models = {}
        for text, kind in kinds.items():
            model = self.configuration.build(data, Method("exact"), self.seed)
            choose(model, *kind)
            models[text] = self._trained(model, data)
        net = models[EXACT]
        noise = self._noise(net, data, kinds)
        sizes, seconds = self._steps_of(net, data, kinds)
        points = []
        for text in [*kinds, PARTS]:
            correct = accuracy_of(models[text], data) if text in models else None
            points.append(SavedBytesPoint(text, sizes[text], *noise.get(text, (0.0, 0.0)), seconds[text], correct))
        return SavedBytesRun(self.key, self.configuration.model, self.seed, self.configuration.data, tuple(points))

    def _trained(self, model: Module, data: Dataset) -> Module:
        c = self.configuration
        part = data.x_train, data.y_train
        loop = Loop(
            model, part, c.make_optimizer(model), c.batch_size, ops.cross_entropy, None, c.max_norm, None, self.seed
        )
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            while loop.step < self.steps:
                loop.one_step()
        return model

    def _batch(self, data: Dataset, k: int) -> tuple[Array, Array]:
        rng = generator(Domain.BATCH, self.seed, k)
        some = rng.choice(len(data.x_train), min(self.configuration.batch_size, len(data.x_train)), replace=False)
        return data.x_train[some], data.y_train[some]

    def _noise(
        self, model: Module, data: Dataset, kinds: dict[str, tuple[Estimator | None, bool]]
    ) -> dict[str, tuple[float, float]]:
        """V/σ² of each kind and its standard error over batches, of the network as it was trained exactly."""
        model.train()
        added: dict[str, list[float]] = {text: [] for text in kinds if text != EXACT}
        exact: list[Array] = []
        for k in range(self.batches):
            x, y = self._batch(data, k)
            choose(model, None, False)
            exact.append(gradient(model, x, y, 0))
            for text in added:
                choose(model, *kinds[text])
                key = key_of(generator(Domain.RECORDING, self.seed, k))
                with np.errstate(over="ignore"):
                    added[text].append(float(np.square(gradient(model, x, y, key) - exact[-1], dtype=np.float64).sum()))
        choose(model, None, False)
        minibatch = float(np.var(exact, axis=0, ddof=1, dtype=np.float64).sum())
        root = np.sqrt(self.batches)
        return {
            text: (float(np.mean(v)) / minibatch, float(np.std(v, ddof=1) / root) / minibatch)
            for text, v in added.items()
        }

    def _steps_of(
        self, model: Module, data: Dataset, kinds: dict[str, tuple[Estimator | None, bool]]
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Bytes of the tape and seconds of a step of each kind, over those of exact ones, in turn."""
        x, y = self._batch(data, 0)
        each = -(-len(x) // 8)
        sizes: dict[str, float] = {}
        least = dict.fromkeys([*kinds, PARTS], np.inf)
        for turn in range(TURNS):
            for text in least:
                choose(model, *kinds.get(text, (None, False)))
                parts = [slice(k, k + each) for k in range(0, len(x), each)] if text == PARTS else [slice(None)]
                start = time.thread_time()
                for some in parts:
                    with Tape(rng=turn) as tape:
                        loss = ops.cross_entropy(model(x[some]), y[some])
                    if some is parts[0]:
                        sizes[text] = activation_bytes(tape, x)
                    tape.backward(loss)
                    del tape, loss
                least[text] = min(least[text], time.thread_time() - start)
                for parameter in model.parameters():
                    parameter.grad = None
        choose(model, None, False)
        whole, seconds = sizes[EXACT], least[EXACT]
        return {k: v / whole for k, v in sizes.items()}, {k: float(v / seconds) for k, v in least.items()}


def choose(model: Module, save: Estimator | None, of_weights: bool) -> None:
    """Have all layers that can save a sketch, or those with weights alone, save this one; None: all exact."""
    nn.set_save(model, None)
    if save is not None:
        nn.set_save(model, save, where=None if of_weights else nn.Saving)


def gradient(model: Module, x: Array, y: Array, key: int) -> Array:
    """The gradient of the mean loss of a batch, all parameters in a row."""
    with Tape(rng=key) as tape:
        loss = ops.cross_entropy(model(x), y)
    return np.concatenate([np.ravel(dense(part)) for part in tape.gradients(loss, model.parameters())])


def accuracy_of(model: Module, data: Dataset) -> float:
    """The fraction of the test images that is classified correctly."""
    return float(training.evaluate(model, data.x_test, data.y_test, batch_size=100)[1])
