"""The training loop, as one call."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minigrad import ops
from minigrad.counts import MOST_EPOCHS, MOST_STEPS, count
from minigrad.nn.module import Module
from minigrad.optim import Optimizer
from minigrad.terminal import lenient_warnings, progress_bar
from minigrad.threads import one_thread
from minigrad.training.evaluate import Loss
from minigrad.training.history import History
from minigrad.training.loop import Augmentation, Callback, Loop
from minigrad.training.resume import Saved
from minigrad.training.sampler import Sampler
from minigrad.typing import Array, Seed

if TYPE_CHECKING:
    from minigrad.datasets import Dataset

__all__ = ["fit"]


@one_thread()
def fit(
    model: Module,
    data: Dataset | tuple[Array, ...],
    *,
    optimizer: Optimizer,
    epochs: int,
    batch_size: int = 128,
    loss: Loss = ops.cross_entropy,
    schedule: Callable[[int], float] | None = None,
    max_norm: float | None = None,
    steps_per_epoch: int | None = None,
    rng: Seed = None,
    checkpoint: str | os.PathLike[str] | None = None,
    checkpoint_seconds: float = 0.0,
    progress: bool | None = None,
    callbacks: Sequence[Callback] = (),
    augment: Augmentation | None = None,
    sampler: Sampler | None = None,
) -> History:
    """Train a classifier on batches, and measure it after each epoch.

    Every draw is keyed by the seed and the number of the step, so a run that was interrupted and resumed from its
    checkpoint gives bit for bit the parameters of one that was not. It takes one BLAS thread, whatever the environment
    says, since the last bits of a product hang on how many threads share it; what was set before is put back.

    Parameters
    ----------
    model : Module
        Maps a batch of inputs to logits of shape (batch, classes). After an interruption, one that is built anew.
    data : Dataset or tuple of ndarray
        ``(x_train, y_train)`` or ``(x_train, y_train, x_test, y_test)``. Batches of floating values are given to the
        model in the dtype of its parameters, so that float64 data do not make a float32 model compute in float64.
    optimizer : Optimizer
        Of the parameters of the model, or of some.
    epochs : int
        How many in all, those of a checkpoint included: a run may be made longer, but for what hangs on its length,
        such as the steps of a `Cosine`.
    batch_size : int, default 128
        All batches are full (`Batches`).
    loss : callable, default `ops.cross_entropy`
        ``loss(logits, labels)``, a scalar Tensor; by default the mean over the batch. A sampler that weighs needs one
        that takes ``weights=``, too.
    schedule : callable, optional
        ``schedule(step)`` is the learning rate of a step, counted from 0. Default: that of the optimizer, constant.
    max_norm : float, optional
        Scales the gradient down to this norm where it is larger. This biases a noisy gradient: with sketches its mean
        becomes too short, possibly by a large factor (see `minigrad.optim.clip_grad_norm`).
    steps_per_epoch : int, optional
        Default: one pass over the training data, rounded up.
    rng : Generator, int or None
        The seed of the order of the data, of dropout and of the random VJPs. With None and a checkpoint that
        exists, its seed is taken over.
    checkpoint : path-like, optional
        Written after each epoch, atomically; if it exists, training goes on from it. Its folder is made if need be. It
        belongs to one run: if any of these arguments is another than when it was begun, but for ``epochs``, it is
        refused by the name of what changed. Data are compared by content, functions and objects by what
        `minigrad.fingerprint` says; give one that it cannot read an attribute ``fingerprint``.
    checkpoint_seconds : float, default 0
        Write it at most this often, where epochs are short; the last epoch is always written.
    progress : bool, optional
        A progress bar; default: in a notebook, and if standard error is a terminal. Where standard error is missing,
        closed or broken, the bar and warnings are lost, and training goes on.
    callbacks : sequence of Callback
        Called before each step, such as `OnePrice`; what they keep is in the checkpoint. One with a method
        ``after(loop, step)`` is shown the tape, the gradients and the operations of each step as well.
    augment : callable, optional
        ``augment(x, rng)`` changes a batch of training inputs at random, as `minigrad.training.augment` does.
    sampler : Sampler, optional
        Which samples a step sees, and what each counts, such as `ImportanceSampler`; default: all alike, as `Batches`
        orders them. What it learnt is in the checkpoint. Training loss and accuracy of the history are weighted, too.

    Returns
    -------
    History

    Raises
    ------
    DivergenceError
        If the loss or a parameter is not finite; the checkpoint stays that of the last good epoch.
    OtherRunError
        If the checkpoint belongs to another run, or has more epochs.
    CheckpointError
        If the checkpoint is damaged, or no file.
    FingerprintError
        With a checkpoint, if it cannot be told whether an argument is the same in another process.
    OSError
        If the checkpoint cannot be written, as when no space is left; the last one stays whole, and the same call goes
        on from it.
    ValueError
        If an option is out of range, or the optimiser has no parameter of the model; if a sampler weighs, and the loss
        takes no weights, or the model normalises by statistics of the batch.
    TypeError
        If a count is not a whole number.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import datasets, nn, optim, training
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 32, 10), rng=0)
    >>> history = training.fit(model, data, optimizer=optim.SGD(model, lr=0.2), epochs=2, batch_size=32, rng=0)
    >>> history.last.test_accuracy > 0.8
    True
    """
    epochs = count("fit: epochs", epochs, MOST_EPOCHS, "epochs")
    if steps_per_epoch is not None:
        steps_per_epoch = count("fit: steps_per_epoch", steps_per_epoch, MOST_STEPS, "steps")
    loop = Loop(
        model, data, optimizer, batch_size, loss, schedule, max_norm, steps_per_epoch, rng, callbacks, augment, sampler
    )
    saved = None
    if checkpoint is not None:
        path = Path(checkpoint)
        path.parent.mkdir(parents=True, exist_ok=True)  # now, and not after an epoch that would be lost
        saved = Saved(loop, path)
        if path.exists():
            saved.restore(epochs)
    total = epochs * loop.steps_per_epoch
    written = time.monotonic()
    with lenient_warnings(), progress_bar(total, min(loop.step, total), "step", progress) as bar:
        while len(loop.history) < epochs:
            loop.epoch(bar)
            last = loop.history.last
            accuracy = last.accuracy if last.test_accuracy is None else last.test_accuracy
            bar.set_postfix(loss=f"{last.loss:.3g}", accuracy=f"{accuracy:.3f}")
            if saved is not None and (last.epoch >= epochs or time.monotonic() - written >= checkpoint_seconds):
                saved.save()
                written = time.monotonic()
    return loop.history
