"""The gain of keeping samples at the logits, from the norms of their gradients there.

Index conventions: i runs over samples; s_i is the norm of the gradient of sample i's loss at the logits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from minigrad.theory.price import optimal_price

__all__ = ["lognormal_samples_ratio", "samples_ratio"]

QUANTILES = 4096


def samples_ratio(norms: ArrayLike, forward: float) -> float:
    r"""Return J, the cost to a precision over that of exact VJPs, with samples kept at the best price.

    Two assumptions make it a function of the norms alone. From the logits down all samples are enlarged alike,
    :math:`\|g_i\|^2 = A s_i^2`, so that a sample contributes :math:`v_i = A s_i^2 / n^2`. And noise limits training:
    :math:`\|\nabla f\|^2` is small beside the variance of a sample's gradient, so that
    :math:`\sigma^2 = \sum_i v_i`. A drops out, and `optimal_price` does the rest, with F and B of n samples.

    Parameters
    ----------
    norms : array_like, shape (n,)
        s_i ≥ 0, of many samples.
    forward : float
        F/B: forward operations over exact backward ones, > 0; about 1/2.

    Returns
    -------
    float
        In (0, 1].

    Raises
    ------
    ValueError
        If there is no sample, a norm is negative or not finite, or ``forward`` is not positive.

    Examples
    --------
    Where all samples count alike nothing is gained; where one of a hundred does, all but the forward pass.

    >>> from minigrad import theory
    >>> theory.samples_ratio([1.0, 1.0, 1.0, 1.0], forward=0.5)
    1.0
    >>> round(theory.samples_ratio([1.0] + [1e-4] * 99, forward=0.5), 2)
    0.34
    """
    s = np.asarray(norms, np.float64).ravel()
    if not s.size:
        raise ValueError("samples_ratio: give the norm of at least one sample")
    squares = np.square(s / (float(s.max()) or 1.0))
    total = float(squares.sum())
    if not total > 0:
        return 1.0
    return optimal_price(squares, minibatch=total, fixed=forward * s.size).ratio


def lognormal_samples_ratio(share: float, forward: float) -> float:
    r"""Return `samples_ratio` for log-normal norms of which a share is effective, :math:`(E s)^2 / E s^2`.

    For a logarithm of variance w the share is :math:`e^{-w}`. This is the line beside which measured networks are
    put: one family of norms from all alike to a few that count.

    Parameters
    ----------
    share : float
        In (0, 1].
    forward : float
        As for `samples_ratio`.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the share is not in (0, 1].

    Examples
    --------
    >>> from minigrad import theory
    >>> [round(theory.lognormal_samples_ratio(share, 0.5), 2) for share in (1.0, 0.8, 0.25, 0.03)]
    [1.0, 0.95, 0.66, 0.45]
    """
    if not 0 < share <= 1:
        raise ValueError(f"lognormal_samples_ratio: share={share} must lie in (0, 1]")
    from scipy.special import ndtri  # here: SciPy is not needed for anything before

    normal = ndtri((np.arange(QUANTILES) + 0.5) / QUANTILES)
    return samples_ratio(np.exp(math.sqrt(-math.log(share)) * normal), forward)
