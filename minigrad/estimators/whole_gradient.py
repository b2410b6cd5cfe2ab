"""Estimates of the whole gradient of a loss, made without a backward pass: what they have in common.

They are no estimators of a cotangent: they stand at no node, and nothing is pulled back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.context import CONTEXT, TapeError
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.estimators.directions import drawn_directions, listed_directions, shown
from minigrad.estimators.named import Written, check_choice
from minigrad.estimators.objective import Objective
from minigrad.streams import Domain, generator, key_of
from minigrad.theory.direction_moments import DIRECTION_LAWS, DirectionLaw
from minigrad.typing import Array, Seed

__all__ = ["Directional", "WholeGradient", "flat_gradient"]


class WholeGradient:
    """An estimate of the gradient of a loss by all parameters at once, without a backward pass.

    Subclass it and write ``estimate``; that is all that `minigrad.inspect` needs, which takes it as ``estimator=``.

    Attributes
    ----------
    unbiased : bool
        Whether E ĝ is the gradient. True unless a subclass says otherwise.
    backward_pass : bool
        False: the loss is only computed, and in forward mode differentiated along directions.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import estimators
    >>> class Along(estimators.WholeGradient):             # biased: it sees one direction, always the same
    ...     unbiased = False
    ...     def estimate(self, objective, rng):
    ...         v = objective.split(np.ones(objective.size))
    ...         return [objective.slope(v) * part for part in v]
    >>> w = mg.Tensor([1.0, 2.0], requires_grad=True)
    >>> [g.tolist() for g in Along().gradient(lambda: (w * w).sum(), [w])]
    [[6.0, 6.0]]
    """

    unbiased: bool = True
    backward_pass: ClassVar[bool] = False

    def estimate(self, objective: Objective, rng: np.random.Generator) -> list[Array]:
        """One draw of ĝ, an array for each of ``objective.leaves``.

        Parameters
        ----------
        objective : Objective
            Answers ``slope(direction)`` and ``value(step)``, for lists of one array for each leaf.
        rng : numpy.random.Generator
            The only source of randomness.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `estimate`. Write `def estimate(self, objective, rng)` that returns a list "
            "of one array for each of objective.leaves"
        )

    def gradient(self, loss: Callable[[], Tensor], parameters: Sequence[Tensor], rng: Seed = None) -> list[Array]:
        """Estimate the gradient of a loss.

        Parameters
        ----------
        loss : callable
            Takes nothing; computes the loss, a scalar Tensor, from the parameters and what else it knows.
        parameters : sequence of Tensor
            Leaves, as ``model.parameters()``. All others are constants.
        rng : Generator, int or None
            Drives the directions. Each time the loss is computed, the draws of its own forward pass (dropout) are the
            same; but a layer with running statistics sees each of these times.

        Returns
        -------
        list of ndarray
            Of the shapes and dtypes of the parameters; ``.grad`` is not touched.

        Raises
        ------
        TypeError
            If the loss is no Tensor, or a parameter is none.
        ValueError
            If there are no parameters, one is given twice, or one is not a leaf that requires a gradient.
        TapeError
            If a tape is recording, for which this would be a constant; if the loss is no scalar, or hangs on no leaf.
        """
        name = f"{type(self).__name__}.gradient"
        if CONTEXT.tapes:
            raise TapeError(
                f"{name}: a tape is recording, and for it this gradient would be a constant without a word. Call it "
                "outside of `with Tape()`; the loss is recorded here"
            )
        leaves = _leaves(name, parameters)
        key = key_of(rng)

        def record() -> tuple[Tape, Tensor]:
            with Tape(rng=key) as tape:  # the same draws of the forward pass each time, so that it is one function
                value = loss()
            if not isinstance(value, Tensor):
                raise TypeError(f"{name}: the loss is a function that returns a Tensor, but it gave {value!r}")
            return tape, value

        found = self.estimate(Objective(leaves, record=record), generator(Domain.DIRECTION, key))
        return [np.asarray(g, leaf.dtype) for g, leaf in zip(found, leaves, strict=True)]

    def outcomes(self, objective: Objective) -> Iterator[tuple[float, list[Array]]]:
        """Every ĝ with its probability, where the support is finite.

        Raises
        ------
        NotImplementedError
            Where it is not, or the estimator does not say.
        """
        raise NotImplementedError(f"{type(self).__name__} does not list its outcomes; use draws")

    def shown(self, size: int) -> float | None:
        """The probability that a draw shows a given one of so many entries; None where that is not known."""
        return None


class Directional(Written, WholeGradient):
    """ĝ = (1/k) Σ_j D(v_j) v_j, with random directions v_j, E vvᵀ = I, and an estimate D(v) of ⟨g, v⟩.

    Subclasses are dataclasses; they write `slope`.
    """

    law: DirectionLaw = "gaussian"
    directions: int = 1
    orthogonal: bool = False

    def __post_init__(self) -> None:
        name = type(self).__name__
        check_choice(self, "law", self.law, DIRECTION_LAWS)
        object.__setattr__(self, "directions", count(f"{name}: directions", self.directions, MOST_DRAWS, "directions"))
        if self.orthogonal and self.law not in ("sphere", "coordinate"):
            raise ValueError(
                f"{name}: directions of law {self.law!r} are independent; orthogonal=True takes law='sphere' or "
                "law='coordinate'"
            )

    def slope(self, objective: Objective, direction: Sequence[Array]) -> float:
        """D(v)."""
        raise NotImplementedError(f"{type(self).__name__} has no `slope(self, objective, direction)`")

    def estimate(self, objective: Objective, rng: np.random.Generator) -> list[Array]:
        drawn = drawn_directions(self.law, objective.size, self.directions, self.orthogonal, rng)
        return self._along(objective, drawn)

    def outcomes(self, objective: Objective) -> Iterator[tuple[float, list[Array]]]:
        for chance, choice in listed_directions(self.law, objective.size, self.directions, self.orthogonal):
            yield chance, self._along(objective, choice)

    def shown(self, size: int) -> float | None:
        return shown(self.law, size, self.directions, self.orthogonal)

    def _along(self, objective: Objective, chosen: Any) -> list[Array]:
        total = [np.zeros(leaf.shape, leaf.dtype) for leaf in objective.leaves]
        for flat in chosen:
            v = objective.split(flat)
            slope = self.slope(objective, v) / self.directions
            total = [of + slope * part for of, part in zip(total, v, strict=True)]
        return total


def flat_gradient(g: ArrayLike | Sequence[ArrayLike]) -> Array:
    """A gradient, as one array or as several, in one vector of float64."""
    parts = g if isinstance(g, (list, tuple)) else [g]
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])


def _leaves(name: str, parameters: Sequence[Tensor]) -> list[Tensor]:
    leaves = list(parameters)
    if not leaves:
        raise ValueError(f"{name}: there are no parameters")
    for k, leaf in enumerate(leaves):
        if not isinstance(leaf, Tensor):
            raise TypeError(f"{name}: parameter {k} is a {type(leaf).__name__}, not a Tensor")
        which = leaf.name or f"{k} of shape {leaf.shape}"
        if leaf.tape is not None or not leaf.requires_grad:
            raise ValueError(f"{name}: parameter {which} is not a leaf that requires a gradient")
        if any(leaf is other for other in leaves[:k]):
            raise ValueError(f"{name}: parameter {which} is given twice")
    return leaves
