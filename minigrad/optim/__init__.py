"""Optimisers, schedules of the learning rate, and gradient clipping."""

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.optim.adam import Adam, AdamW
from minigrad.optim.clipping import clip_grad_norm, clip_grad_value
from minigrad.optim.optimizer import Optimizer
from minigrad.optim.schedules import Constant, Cosine, Schedule, StepDecay, Warmup
from minigrad.optim.sgd import SGD

__all__ = [
    "SGD", "Adam", "AdamW", "Constant", "Cosine", "Optimizer", "Schedule", "StepDecay", "Warmup", "clip_grad_norm",
    "clip_grad_value",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
