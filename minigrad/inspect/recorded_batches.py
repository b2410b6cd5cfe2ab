"""Recorded losses on random batches of a model's data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from minigrad import ops
from minigrad.arrays import plain
from minigrad.engine.residuals import saving
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.inspect.leaves import InspectionTarget
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.streams import Domain, child, generator, key_of
from minigrad.typing import Array, Seed

__all__ = ["Data", "Model", "RecordedBatches"]

Data: TypeAlias = "tuple[Array, Array] | Any"
"""``(x, labels)``, or anything with ``x_train`` and ``y_train``, such as a Dataset."""


class Model(Protocol):
    """A model, as far as it is asked: its output for a batch, and its parameters."""

    def __call__(self, x: Any) -> Tensor: ...

    def parameters(self) -> Iterable[Tensor]: ...


class RecordedBatches:
    """Tapes of a model's loss on random batches, drawn without replacement within a batch.

    Residual sketches (``save=``) are left off: what is measured is the noise of batches and of sketched cotangents.

    Parameters
    ----------
    model : Model
        Its estimators, as they are set on its layers, are on the nodes of the tapes.
    data : Data
    batch_size : int
    loss : callable
        ``loss(output, labels)``, a mean over the batch.
    rng : Generator, int or None

    Raises
    ------
    ValueError
        If the batch size is not in 2 … number of samples.
    """

    def __init__(
        self,
        model: Model,
        data: Data,
        batch_size: int,
        loss: Callable[[Any, Array], Tensor] = ops.cross_entropy,
        rng: Seed = None,
    ):
        arrays = data[:2] if isinstance(data, tuple) else (data.x_train, data.y_train)
        self.x, self.y = [plain(array, "the data") for array in arrays]
        if not 1 <= batch_size <= len(self.x):
            raise ValueError(f"batch_size={batch_size} must lie in 1 … {len(self.x)}, the number of samples")
        self.model, self.batch_size, self.loss = model, batch_size, loss
        self.dtype = dtype_of(model.parameters())
        self.key = key_of(rng)

    def __getitem__(self, number: int) -> InspectionTarget:
        """Record batch ``number``; the same number gives the same batch."""
        chosen = generator(Domain.BATCH, self.key, number).choice(len(self.x), self.batch_size, replace=False)
        with Tape(rng=child(Domain.RECORDING, self.key, number)) as tape, saving(False):
            value = self.loss(self.model(fed(self.x[chosen], self.dtype)), fed(self.y[chosen], self.dtype))
        wanted = [parameter for parameter in self.model.parameters() if parameter.requires_grad]  # without frozen ones
        return InspectionTarget(tape, value, wanted)
