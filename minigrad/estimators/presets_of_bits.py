"""Methods of others that round to a few bits; `minigrad.estimators.presets` has them beside those that leave out."""

from __future__ import annotations

from typing import TypedDict

from minigrad.engine.estimator import Estimator
from minigrad.estimators.natural import NaturalCompression
from minigrad.estimators.rounding import StochasticRounding

__all__ = ["Residuals", "actnn", "natural_compression", "qsgd", "terngrad"]


class Residuals(TypedDict):
    """Keyword arguments that sketch what is saved."""

    save: Estimator


class Sent(TypedDict):
    """Keyword arguments that sketch the cotangent."""

    vjp: Estimator


def actnn(bits: int = 2) -> Residuals:
    """ActNN-like: what is saved for the way back, in groups of 256 entries with a grid each. Unbiased.

    Parameters
    ----------
    bits : int, default 2
        From 1 to 8.

    Returns
    -------
    dict
        With the key ``save``.

    Notes
    -----
    The paper, moreover, gives more bits to groups and layers of more influence, which is measured as training goes on.
    Chen et al. (2021), *ActNN: Reducing Training Memory Footprint via 2-Bit Activation Compressed Training*, ICML.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.actnn()
    {'save': StochasticRounding(2, axis='block')}
    """
    return {"save": StochasticRounding(bits, "block")}


def natural_compression() -> Sent:
    """Natural compression: each entry is one of the two next powers of two, at random. Unbiased.

    Returns
    -------
    dict
        With the key ``vjp``.

    Notes
    -----
    A sign and an exponent, 9 bits. E‖Ĝ − G‖² ≤ ‖G‖²/8. Horváth et al. (2022), *Natural Compression for Distributed Deep
    Learning*, MSML.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.natural_compression()
    {'vjp': NaturalCompression()}
    """
    return {"vjp": NaturalCompression()}


def qsgd(bits: int = 4) -> Sent:
    """QSGD: multiples of ‖G_i‖/s for the row i, s = 2^(bits − 1) − 1, at random. Unbiased.

    Parameters
    ----------
    bits : int, default 4
        From 2 to 8.

    Returns
    -------
    dict
        With the key ``vjp``.

    Notes
    -----
    A grid that reaches to the norm is √m wider than one that reaches to the largest value, for a row of m values of one
    size. The paper quantises gradients of parameters, in buckets, and codes the many zeros (Elias codes) in fewer
    bits; here a row of the cotangent is a bucket. Alistarh et al. (2017), *QSGD: Communication-Efficient SGD via
    Gradient Quantization and Encoding*, NeurIPS.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.qsgd()
    {'vjp': StochasticRounding(4, ends='norm')}
    """
    return {"vjp": StochasticRounding(bits, ends="norm")}


def terngrad() -> Sent:
    """TernGrad: each entry is 0 or ± the largest of all, at random. Unbiased.

    Returns
    -------
    dict
        With the key ``vjp``.

    Notes
    -----
    E‖Ĝ − G‖² = Σ_ij (max·abs(g_ij) − g_ij²). The paper clips the gradients of parameters first, which is biased.
    Wen et al. (2017), *TernGrad: Ternary Gradients to Reduce Communication in Distributed Deep Learning*, NeurIPS.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.terngrad()
    {'vjp': StochasticRounding(2, axis='tensor', ends='largest')}
    """
    return {"vjp": StochasticRounding(2, "tensor", ends="largest")}
