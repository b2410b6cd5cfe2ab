"""Cutting: a model whose modules run one after the other, in stages."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from minigrad.nn import Sequential
from minigrad.nn.dtypes import dtype_of, fed
from minigrad.nn.module import Module
from minigrad.typing import Array, Shape

__all__ = ["balanced_cuts", "boundaries", "cut"]


def cut(model: Module, cuts: Sequence[int]) -> list[Sequential]:
    """The stages of a model; they share its modules.

    Parameters
    ----------
    model : Sequential
    cuts : sequence of int
        The modules with which the second stage begins, the third, and so on; increasing.

    Raises
    ------
    TypeError
        If the modules of the model do not run one after the other.
    ValueError
        If the cuts do not increase, or a stage has no parameters.

    Examples
    --------
    >>> from minigrad import nn
    >>> for stage in cut(nn.mlp((64, 32, 16, 10), rng=0), [2]):
    ...     print([type(module).__name__ for module in stage])
    ['Linear', 'ReLU']
    ['Linear', 'ReLU', 'Linear']
    """
    modules = _modules(model)
    ends = [0, *cuts, len(modules)]
    if any(a >= b for a, b in itertools.pairwise(ends)):
        raise ValueError(f"pipeline: cuts={list(cuts)} must lie in 1 … {len(modules) - 1}, and increase")
    stages = [Sequential(*modules[a:b]) for a, b in itertools.pairwise(ends)]
    for k, stage in enumerate(stages):
        if not list(stage.parameters()):
            raise ValueError(
                f"pipeline: stage {k}, modules {ends[k]} … {ends[k + 1] - 1}, has no parameters; the cuts={list(cuts)} "
                f"must leave each stage some. {balanced_cuts(model, len(stages))} would"
            )
    return stages


def balanced_cuts(model: Module, stages: int) -> list[int]:
    """The cuts with which the largest stage has the fewest parameters.

    Parameters
    ----------
    model : Sequential
    stages : int
        At least 2, and no more than there are modules with parameters.

    Raises
    ------
    TypeError
        If the modules of the model do not run one after the other.
    ValueError
        If there are too few of them.

    Examples
    --------
    >>> from minigrad import nn
    >>> balanced_cuts(nn.mlp((64, 32, 16, 10), rng=0), 3)
    [2, 4]
    """
    sizes = [sum(parameter.size for parameter in module.parameters()) for module in _modules(model)]
    with_some = [k for k, size in enumerate(sizes) if size]
    if not 2 <= stages <= len(with_some):
        raise ValueError(
            f"pipeline: stages={stages} must lie in 2 … {len(with_some)}, the number of modules that have parameters"
        )
    # best[k]: of the modules before number k, in so many stages, the largest stage at its least, and the cuts.
    best: dict[int, tuple[int, list[int]]] = {0: (0, [])}
    for stage in range(stages):
        ends = [len(sizes)] if stage == stages - 1 else with_some[1:]
        found: dict[int, tuple[int, list[int]]] = {}
        for end in ends:
            ways = [
                (max(largest, sum(sizes[start:end])), [*cuts, start])
                for start, (largest, cuts) in best.items()
                if start < end and any(sizes[start:end])
            ]
            if ways:
                found[end] = min(ways)
        best = found
    return best[len(sizes)][1][1:]


def boundaries(stages: Sequence[Module], x: Array, batch_size: int) -> list[tuple[Shape, np.dtype[Any]]]:
    """Shape and dtype of what each stage but the last hands on, for a batch.

    Parameters
    ----------
    stages : sequence of Module
    x : ndarray, shape (N, ...)
        Some data; one sample is looked at.
    batch_size : int

    Examples
    --------
    >>> from minigrad import nn
    >>> stages = cut(nn.mlp((64, 32, 16, 10), rng=0), [2])
    >>> boundaries(stages, np.ones((5, 64), np.float32), 8)
    [((8, 32), dtype('float32'))]
    """
    found = []
    out: Any = fed(x[:1], dtype_of(stages[0].parameters()))
    for stage in stages[:-1]:
        was_training = stage.training
        out = stage.eval()(out)
        stage.train(was_training)
        found.append(((batch_size, *out.shape[1:]), out.data.dtype))
    return found


def _modules(model: Module) -> list[Module]:
    if not isinstance(model, Sequential):
        raise TypeError(
            f"pipeline: a {type(model).__name__} cannot be cut, since nothing says in which order its modules run; "
            "make it a nn.Sequential"
        )
    return list(model)
