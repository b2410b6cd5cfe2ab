"""Forward gradients: the derivative along a random direction, times the direction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import ArrayLike

from minigrad.estimators.objective import Objective
from minigrad.estimators.whole_gradient import Directional, flat_gradient
from minigrad.theory.direction_moments import DirectionLaw, directional_variances
from minigrad.typing import Array

__all__ = ["ForwardGradient"]


@dataclass(frozen=True, repr=False)
class ForwardGradient(Directional):
    """ĝ = ⟨g, v⟩ v with a random direction v: unbiased, from one forward pass with tangents and none back.

    Parameters
    ----------
    law : {"gaussian", "rademacher", "sphere", "coordinate"}, default "gaussian"
        Independent N(0, 1); independent ±1; uniform on the sphere of radius √d; √d times one of the d basis vectors.
    directions : int, default 1
        k, the number of directions over which it is a mean. Each takes a forward pass with tangents.
    orthogonal : bool, default False
        Whether they are at right angles to each other, uniformly so; for "sphere" and "coordinate". With d of them ĝ
        is exact.

    Raises
    ------
    ValueError
        If the law is unknown, has no orthogonal directions, or there is not at least one direction. When it draws, if
        there are more orthogonal directions than parameters.

    Notes
    -----
    Baydin, Pearlmutter, Syme, Wood and Torr (2022), *Gradients without Backpropagation*, arXiv:2202.08587. It is
    unbiased because E vvᵀ = I. Its variance grows with the number d of parameters, (d + 1)‖g‖²/k for "gaussian" and
    (d − 1)‖g‖²/k for the others, (d/k − 1)‖g‖² if orthogonal (`minigrad.theory.directional_variances`): what an
    estimator keeps of a cotangent, at some nodes, knows more of the gradient than one number. As a map of the gradient
    it is a `RandomProjection` of a single row, to k columns.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import ForwardGradient
    >>> w = mg.Tensor([3.0, 4.0], requires_grad=True)
    >>> forward = ForwardGradient("rademacher")
    >>> draws = [forward.gradient(lambda: (w * w).sum() / 2, [w], rng=seed)[0].tolist() for seed in range(20)]
    >>> sorted(map(tuple, draws))[0], sorted(map(tuple, draws))[-1]       # the gradient is (3, 4)
    ((-1.0, 1.0), (7.0, 7.0))
    >>> forward.variance([3.0, 4.0]), forward.backward_pass
    (25.0, False)
    """

    law: DirectionLaw = "gaussian"
    directions: int = 1
    orthogonal: bool = False

    def slope(self, objective: Objective, direction: Sequence[Array]) -> float:
        return objective.slope(direction)

    def variance(self, g: ArrayLike | Sequence[ArrayLike]) -> float:
        """E‖ĝ − g‖² for the gradient g, an array or a list of one for each parameter.

        Examples
        --------
        >>> import numpy as np
        >>> one, three = ForwardGradient(), ForwardGradient("coordinate", 3, orthogonal=True)
        >>> one.variance(np.ones(9)), three.variance(np.ones(9))
        (90.0, 18.0)
        """
        g = flat_gradient(g)
        return float(directional_variances(g, self.law, self.directions, self.orthogonal).sum())
