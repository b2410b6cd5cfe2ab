"""Gradients from values of the loss alone, at parameters that are moved a little in random directions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from numpy.typing import ArrayLike

from minigrad.estimators.named import check_choice
from minigrad.estimators.objective import Objective
from minigrad.estimators.whole_gradient import Directional, flat_gradient
from minigrad.theory.direction_moments import DirectionLaw, difference_bias, directional_variances
from minigrad.typing import Array

__all__ = ["EvolutionStrategy", "WeightPerturbation"]

Difference: TypeAlias = Literal["antithetic", "one-sided"]


class Perturbation(Directional):
    """ĝ = (1/k) Σ_j D(v_j) v_j with D(v) a difference of two values of the loss; subclasses are dataclasses."""

    unbiased = False
    sigma: float
    difference: Difference

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice(self, "difference", self.difference, ("antithetic", "one-sided"))
        sigma: Any = self.sigma
        if isinstance(sigma, bool) or not hasattr(sigma, "__float__") or not 0 < float(sigma) < math.inf:
            raise ValueError(f"{type(self).__name__}: sigma={sigma!r} must be a positive number, the length of a step")
        object.__setattr__(self, "sigma", float(sigma))

    @property
    def one_sided(self) -> bool:
        return self.difference == "one-sided"

    @property
    def evaluations(self) -> int:
        """The number of times that one estimate computes the loss."""
        return self.directions + 1 if self.one_sided else 2 * self.directions

    def slope(self, objective: Objective, direction: Sequence[Array]) -> float:
        ahead = objective.value([self.sigma * v for v in direction])
        if self.one_sided:
            return (ahead - objective.value()) / self.sigma
        return (ahead - objective.value([-self.sigma * v for v in direction])) / (2 * self.sigma)

    def variance(self, g: ArrayLike | Sequence[ArrayLike], hessian: ArrayLike | None = None) -> float:
        """E‖ĝ − E ĝ‖² where the loss is quadratic, or σ small.

        Parameters
        ----------
        g : array_like, or sequence of array_like
            The exact gradient, of d entries in all.
        hessian : array_like, shape (d, d), optional
            The second derivatives; needed for one-sided differences.

        Raises
        ------
        ValueError
            If it is needed and missing, or of another shape.

        Notes
        -----
        See `minigrad.theory.directional_variances`.
        """
        sigma = self.sigma if self.one_sided else 0.0
        of_entries = directional_variances(
            flat_gradient(g), self.law, self.directions, self.orthogonal, sigma, hessian if self.one_sided else None
        )
        return float(of_entries.sum())

    def bias(self, hessian: ArrayLike, third: ArrayLike | None = None) -> Array:
        """E ĝ − g where the loss is quadratic, or with ``third`` cubic; see `minigrad.theory.difference_bias`."""
        return difference_bias(hessian, third, sigma=self.sigma, law=self.law, one_sided=self.one_sided)


@dataclass(frozen=True, repr=False)
class EvolutionStrategy(Perturbation):
    """ĝ = (f(θ + σv) − f(θ − σv)) / 2σ · v with a Gaussian v: the gradient of a smoothed loss.

    Parameters
    ----------
    sigma : float
        σ, the smoothing.
    directions : int, default 1
        k, over which it is a mean.
    difference : {"antithetic", "one-sided"}, default "antithetic"
        Two values for each direction, or one, and f(θ) for all together.

    Raises
    ------
    ValueError
        If sigma is not positive, there is not at least one direction, or the difference is unknown.

    Notes
    -----
    Wierstra et al. (2014), *Natural Evolution Strategies*, JMLR 15; Salimans et al. (2017), arXiv:1703.03864. Its mean
    is the gradient of f_σ(θ) = E f(θ + σv), for E f(θ + σv) v = σ ∇f_σ(θ) (Stein's identity). So the bias is
    ∇f_σ − ∇f = ½σ² ∇Δf + O(σ⁴), with Δ the Laplacian, and 0 where f is quadratic (Nesterov and Spokoiny 2017). As σ
    falls it becomes the `ForwardGradient`. In float32 the difference of two values is off by about 1e-7 f(θ)/σ: σ must
    not be too small.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import EvolutionStrategy
    >>> x = mg.Tensor([1.0], requires_grad=True)
    >>> strategy = EvolutionStrategy(0.5, directions=2000)
    >>> (g,) = strategy.gradient(lambda: (x**3).sum(), [x], rng=0)
    >>> abs(g.item() - (3 + strategy.bias([[6.0]], [[[6.0]]]).item())) < 0.5        # 3x² + 3σ²
    True
    """

    sigma: float
    directions: int = 1
    difference: Difference = "antithetic"


@dataclass(frozen=True, repr=False)
class WeightPerturbation(Perturbation):
    """ĝ = (f(θ + σv) − f(θ)) / σ · v: a finite difference in a random direction.

    Parameters
    ----------
    sigma : float
        σ, the size of a step of each weight; for "coordinate" the one weight moves by √d σ.
    law : {"rademacher", "gaussian", "sphere", "coordinate"}, default "rademacher"
        As for `ForwardGradient`.
    directions : int, default 1
        k, over which it is a mean.
    orthogonal : bool, default False
        As for `ForwardGradient`.
    difference : {"one-sided", "antithetic"}, default "one-sided"
        One value for each direction, and f(θ) for all together; or two.

    Raises
    ------
    ValueError
        If sigma is not positive, the law or the difference is unknown, or what `ForwardGradient` raises.

    Notes
    -----
    With law="coordinate" one weight at a time: Jabri and Flower (1992), *Weight Perturbation*, IEEE Trans. Neural
    Networks 3. With "rademacher" all at once: Cauwenberghs (1993), NIPS 5; antithetic it is Spall's (1992) SPSA, IEEE
    Trans. Automatic Control 37. The bias is of order σ², and 0 where f is quadratic, but for one-sided steps along
    coordinates: ½σ√d H_ii there. The variance is that of the `ForwardGradient`, and one-sided ¼σ² E (vᵀHv)²‖v‖² more:
    `minigrad.theory.directional_variances`, `minigrad.theory.difference_bias`.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad.estimators import WeightPerturbation
    >>> w = mg.Tensor([3.0, 4.0], requires_grad=True)
    >>> each = WeightPerturbation(1e-6, "coordinate", directions=2, orthogonal=True)      # one weight, then the other
    >>> each.gradient(lambda: (w * w).sum() / 2, [w], rng=0)[0].round(4).tolist()
    [3.0, 4.0]
    >>> each.evaluations, each.backward_pass
    (3, False)
    """

    sigma: float
    law: DirectionLaw = "rademacher"
    directions: int = 1
    orthogonal: bool = False
    difference: Difference = "one-sided"
