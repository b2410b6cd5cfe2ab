"""The noise of a wire: the variance of a gradient whose cotangents were sent from stage to stage."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad import inspect, nn, ops
from minigrad.engine.estimator import Estimator
from minigrad.engine.tape import Tape
from minigrad.experiments.configuration import Configuration
from minigrad.experiments.pipeline.cutting import cut
from minigrad.experiments.pipeline.frame import decode, encode
from minigrad.experiments.pipeline.sketching import sketched
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.nn.module import Module
from minigrad.streams import Domain, child
from minigrad.structure import Cotangent
from minigrad.training.batches import Batches
from minigrad.training.loop import Loop
from minigrad.typing import Array, Shape

__all__ = ["OnWire", "noise_key", "trained", "wire_variance"]


class OnWire(Estimator):
    """An estimator whose draws are sent: each is made a frame, and read again.

    It sees no node, since what that saved is on another machine.

    Parameters
    ----------
    inner : Estimator

    Attributes
    ----------
    sent : list of int
        Bytes of each frame.

    Examples
    --------
    >>> from minigrad.estimators import StochasticRounding
    >>> wire = OnWire(StochasticRounding(4))
    >>> wire.sample(np.ones((8, 6)), None, np.random.default_rng(0)).bits, wire.sent
    (4, [324])
    """

    def __init__(self, inner: Estimator):
        self.inner = inner
        self.unbiased = inner.unbiased
        self.sent: list[int] = []

    def sample(self, g: Array, node: Any, rng: np.random.Generator) -> Cotangent:
        frame = encode(sketched(self.inner, g, rng))
        self.sent.append(len(frame))
        return decode(frame, shape=g.shape)

    def unfit(self, shape: Shape) -> str:
        return self.inner.unfit(shape)


def wire_variance(
    model: Module, cuts: Sequence[int], x: Array, y: Array, estimator: Estimator, draws: int, rng: int
) -> tuple[float, float]:
    """E‖ĝ − g‖²/‖g‖² of the parameters before the last cut, whose gradients hang on what was sent.

    Parameters
    ----------
    model : Sequential
    cuts : sequence of int
    x, y : ndarray
        A batch; the loss is the mean of its cross-entropies.
    estimator : Estimator
        Of every cotangent that is sent.
    draws : int
    rng : int
        Also of the forward pass.

    Returns
    -------
    variance, standard_error : float
        Over draws, of this batch.

    Examples
    --------
    >>> from minigrad import datasets, nn
    >>> from minigrad.estimators import StochasticRounding
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 32, 10), rng=0)
    >>> x, y = data.x_train[:50].astype(np.float32), data.y_train[:50]
    >>> four, two = (wire_variance(model, [2], x, y, StochasticRounding(b), 20, 0)[0] for b in (4, 2))
    >>> 0 < four < two / 10
    True
    """
    stages = cut(model, cuts)
    wanted = [parameter for stage in stages[:-1] for parameter in stage.parameters()]
    sent = []
    with Tape(rng=rng) as tape:
        out: Any = fed(x, dtype_of(model.parameters()))
        for stage in stages[:-1]:
            out = stage(out)
            sent.append(out.node)
        loss = ops.cross_entropy(stages[-1](out), y)
    for node in sent:
        tape.nodes[node].vjp = OnWire(estimator)
    report = inspect.variance(tape, loss, wanted, draws, rng)
    square = report.norm**2
    return report.total / square, report.standard_error / square


@functools.lru_cache(maxsize=2)
def trained(configuration: Configuration, seed: int, steps: int) -> tuple[Module, Array, Array]:
    """The model after exact training in this process, and the batch that would come next.

    Step by step it is what a pipeline computes that sends all it has; a model without dropout has the same bits.
    """
    c, data = configuration, configuration.load()
    model = nn.models.build(c.model, data.input_shape, data.num_classes, rng=seed)
    part = data.x_train, data.y_train
    loop = Loop(model, part, c.make_optimizer(model), c.batch_size, ops.cross_entropy, None, None, None, seed)
    model.train()
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for _ in range(steps):
            loop.one_step()
    chosen = Batches(len(data.x_train), c.batch_size, seed)[steps]
    return model, data.x_train[chosen], data.y_train[chosen]


def noise_key(seed: int) -> int:
    """The key of the draws by which the noise is measured; no step has it."""
    return child(Domain.REPORT, seed, 0)
