"""Training: the loop, what it measures, and checkpoints."""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.training.adaptive import AdaptiveBudget
from minigrad.training.augment import Augment, random_crop, random_flip
from minigrad.training.batches import Batches
from minigrad.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from minigrad.training.evaluate import evaluate
from minigrad.training.fit import fit
from minigrad.training.history import Epoch, History
from minigrad.training.importance import ImportanceSampler
from minigrad.training.loop import DivergenceError
from minigrad.training.one_price import OnePrice
from minigrad.training.resume import OtherRunError
from minigrad.training.sampler import Sampler

__all__ = [
    "AdaptiveBudget", "Augment", "Batches", "CheckpointError", "DivergenceError", "Epoch", "History",
    "ImportanceSampler", "OnePrice", "OtherRunError", "Sampler", "evaluate", "fit", "load_checkpoint", "random_crop",
    "random_flip", "save_checkpoint",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
