"""The noisy gradient steps that reach a precision: a bound for smooth functions, the truth for quadratics.

Index conventions: t steps, T their number, i coordinates. f is L-smooth, Δ = f(x_0) − inf f, η the step size,
ĝ the gradient used, g_B the exact minibatch gradient, σ² = E‖g_B − ∇f‖².
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from minigrad.typing import Array

__all__ = ["descent_bound", "quadratic_plateau", "stationary_second_moment", "step_size", "steps_to_precision"]


def descent_bound(
    L: float, delta: float, variance: float, steps: float, *, step: float | None = None, omega: float = 0.0
) -> float:
    r"""Return the bound on (1/T) Σ_t E‖∇f(x_t)‖² after T steps x ← x − η ĝ with an unbiased ĝ.

    .. math:: \frac1T \sum_t E\|\nabla f(x_t)\|^2 \le \frac{4L\Delta}{T} + 2\sqrt{\frac{2\Delta L V}{T}}

    at the step size of `step_size`, where E‖ĝ − ∇f‖² ≤ V. With an ``omega`` the noise is not a constant:
    E[‖ĝ − g_B‖² | g_B] ≤ ω‖g_B‖² on top of a minibatch variance V = σ²; L is then replaced by L(1 + ω).

    Parameters
    ----------
    L : float
        Smoothness: ‖∇f(x) − ∇f(y)‖ ≤ L‖x − y‖; > 0.
    delta : float
        Δ = f(x_0) − inf f, ≥ 0.
    variance : float
        V ≥ 0: of the gradient used, sketches included, if ``omega`` is 0; else of the minibatch gradient
        alone.
    steps : float
        T > 0.
    step : float, optional
        A constant step size η ≤ 1/(L(1 + ω)); the bound is then 2Δ/(ηT) + L(1 + ω)ηV.
    omega : float
        Relative variance of the sketches, ≥ 0; 1/p − 1 for a mask of the whole gradient.

    Returns
    -------
    float
        In the squared unit of the gradient.

    Raises
    ------
    ValueError
        If a number is out of its range, or ``step`` is larger than 1/(L(1 + ω)).

    Notes
    -----
    *Proof.* First ω = 0. Smoothness and E[ĝ | x] = ∇f give, with E‖ĝ‖² ≤ ‖∇f‖² + V and η ≤ 1/L,

        E f(x_{t+1}) ≤ E f(x_t) − η E‖∇f‖² + ½Lη² (E‖∇f‖² + V) ≤ E f(x_t) − ½η E‖∇f‖² + ½Lη²V.

    Summed over t: (1/T) Σ E‖∇f‖² ≤ 2Δ/(ηT) + LηV. Take η = min(1/L, √(2Δ/(LVT))). If it is 1/L, then
    V ≤ 2ΔL/T, so the bound is at most 4LΔ/T; if not, it is 2√(2ΔLV/T). The larger of the two is a bound, so
    their sum is one too, the form usually printed.

    With ω: E‖ĝ‖² = E‖g_B‖² + E‖ĝ − g_B‖² ≤ (1 + ω) E‖g_B‖² = (1 + ω)(‖∇f‖² + σ²), which is the same
    inequality with L(1 + ω) for L and σ² for V.

    Bottou, Curtis, Nocedal (2018), SIAM Review 60(2), section 4; Bakong et al. (2026), arXiv:2602.14701.

    Examples
    --------
    >>> from minigrad import theory
    >>> round(theory.descent_bound(L=1.0, delta=2.0, variance=1.0, steps=100), 6)
    0.48
    >>> round(theory.descent_bound(L=1.0, delta=2.0, variance=1.0, steps=100, step=0.2), 6)
    0.4
    >>> round(theory.descent_bound(L=1.0, delta=2.0, variance=1.0, steps=100, omega=3.0), 6)
    1.12
    """
    L = _smoothness(L, omega)
    delta, variance, steps = _least("delta", delta), _least("variance", variance), _positive("steps", steps)
    if step is None:
        return 4.0 * L * delta / steps + 2.0 * math.sqrt(2.0 * delta * L * variance / steps)
    step = _positive("step", step)
    if step > (1.0 + 1e-12) / L:
        raise ValueError(
            f"step={step:.6g} is larger than 1/(L(1 + omega)) = {1.0 / L:.6g}; the bound holds up to there only."
        )
    return 2.0 * delta / (step * steps) + L * step * variance


def step_size(L: float, delta: float, variance: float, steps: float, *, omega: float = 0.0) -> float:
    """Return the constant step size η = min(1/L, √(2Δ/(LVT))) at which `descent_bound` holds.

    Parameters
    ----------
    L, delta, variance, steps, omega
        As for `descent_bound`. With an ``omega`` L is replaced by L(1 + ω).

    Returns
    -------
    float
        In the unit of x divided by that of the gradient. 1/(L(1 + ω)) where there is no noise.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    It minimises 2Δ/(ηT) + LηV over η ≤ 1/L. Bottou, Curtis, Nocedal (2018), SIAM Review 60(2).

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.step_size(L=1.0, delta=2.0, variance=1.0, steps=100)
    0.2
    """
    L = _smoothness(L, omega)
    delta, variance, steps = _least("delta", delta), _least("variance", variance), _positive("steps", steps)
    if variance == 0.0:
        return 1.0 / L
    return min(1.0 / L, math.sqrt(2.0 * delta / (L * variance * steps)))


def steps_to_precision(L: float, delta: float, variance: float, epsilon: float, *, omega: float = 0.0) -> float:
    """Return T(ε) = max(8LΔ/ε, 32ΔLV/ε²): that many steps bring (1/T) Σ_t E‖∇f(x_t)‖² down to ε.

    Parameters
    ----------
    L, delta, variance, omega
        As for `descent_bound`. With an ``omega`` L is replaced by L(1 + ω).
    epsilon : float
        The precision ε > 0, in the squared unit of the gradient.

    Returns
    -------
    float
        The number of steps, not rounded.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Notes
    -----
    Each term of the sum 4LΔ/T + 2√(2ΔLV/T) is then at most ε/2. From the larger of the two terms alone, which
    is a bound too (see `descent_bound`), max(4LΔ/ε, 8ΔLV/ε²) steps are enough. All of them say the same about
    a sketch: where noise dominates the number of steps is proportional to V.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.steps_to_precision(L=1.0, delta=1.0, variance=0.5, epsilon=0.25)
    256.0
    >>> theory.steps_to_precision(L=1.0, delta=1.0, variance=0.5, epsilon=0.25, omega=3.0)
    1024.0
    """
    L = _smoothness(L, omega)
    delta, variance = _least("delta", delta), _least("variance", variance)
    epsilon = _positive("epsilon", epsilon)
    return max(8.0 * L * delta / epsilon, 32.0 * delta * L * variance / epsilon**2)


def stationary_second_moment(curvatures: ArrayLike, noise_variances: ArrayLike, step_size: float) -> Array:
    """Return where E x_i² settles under x ← x − η (h x + noise), for f = ½ Σ h_i x_i².

    Parameters
    ----------
    curvatures : array_like
        h_i > 0, the eigenvalues of the Hessian.
    noise_variances : array_like
        Variance of the gradient noise along each coordinate, ≥ 0, a scalar or one for each; independent of x.
    step_size : float
        η in (0, 2/max h).

    Returns
    -------
    ndarray of float64
        η Σ_ii / (h_i (2 − η h_i)), in the squared unit of x.

    Raises
    ------
    ValueError
        If a curvature is not positive, a variance negative, or the step size outside (0, 2/max h), where the
        iteration diverges.

    Notes
    -----
    E x² ← (1 − ηh)² E x² + η²Σ has this fixed point. Bottou, Curtis, Nocedal (2018), SIAM Review 60(2).

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.stationary_second_moment([1.0, 4.0], 1.0, step_size=0.25).round(4).tolist()
    [0.1429, 0.0625]
    """
    h = np.asarray(curvatures, dtype=np.float64)
    s = np.asarray(noise_variances, dtype=np.float64)
    if s.ndim and s.shape != h.shape:
        raise ValueError(f"noise_variances of shape {s.shape} for curvatures of shape {h.shape}; one each.")
    if h.size and not (h.min() > 0.0 and h.max() < math.inf):
        raise ValueError("curvatures must be positive and finite: a flat direction drifts, without a plateau.")
    if s.size and not (s.min() >= 0.0 and s.max() < math.inf):
        raise ValueError("noise_variances must be ≥ 0 and finite.")
    limit = 2.0 / float(h.max(initial=0.0)) if h.size else math.inf
    if not 0.0 < step_size < limit:
        raise ValueError(
            f"step_size={step_size!r} must lie in (0, 2/max(curvatures)) = (0, {limit:.6g}); outside it the "
            "iteration diverges."
        )
    moment: Array = step_size * s / (h * (2.0 - step_size * h))
    return moment


def quadratic_plateau(curvatures: ArrayLike, noise_variances: ArrayLike, step_size: float) -> float:
    """Return the level at which f = ½ Σ h_i x_i² stops falling under a constant step size: its stationary mean.

    Parameters
    ----------
    curvatures, noise_variances, step_size
        As for `stationary_second_moment`.

    Returns
    -------
    float
        Σ_i η Σ_ii / (2 (2 − η h_i)), in the unit of f. A sketch that multiplies the noise multiplies it
        alike.

    Raises
    ------
    ValueError
        As `stationary_second_moment`.

    Notes
    -----
    It is ½ Σ h_i E x_i², so `stationary_second_moment` tells the share of each coordinate.

    Examples
    --------
    >>> from minigrad import theory
    >>> theory.quadratic_plateau([1.0, 2.0], [3.0, 2.0], step_size=0.5)
    1.0
    """
    moment = stationary_second_moment(curvatures, noise_variances, step_size)
    return float(0.5 * np.sum(np.asarray(curvatures, dtype=np.float64) * moment))


def _smoothness(L: float, omega: float) -> float:
    return _positive("L", L) * (1.0 + _least("omega", omega))


def _positive(name: str, value: float) -> float:
    if not 0.0 < value < math.inf:
        raise ValueError(f"{name}={value!r} must be positive and finite.")
    return float(value)


def _least(name: str, value: float) -> float:
    if not 0.0 <= value < math.inf:
        raise ValueError(f"{name}={value!r} must be ≥ 0 and finite.")
    return float(value)
