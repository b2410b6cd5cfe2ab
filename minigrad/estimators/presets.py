"""Methods of others, in the words of this library: each is a set of keyword arguments for a node, a layer or a model.

A preset is a dict with the one key ``vjp`` (sketches of the cotangent, which save work) or ``save`` (sketches of what
is kept for the way back, which save memory as well), so it says itself where it belongs::

    ops.linear(x, w, b, **presets.vcas(0.25))        # a node
    nn.Linear(64, 32, **presets.rad(0.1))            # a layer
    nn.set_vjp(model, **presets.vcas(0.25))          # a model; for ``save``, nn.set_save

Index conventions (Theory §2): Y = X Wᵀ with G = ∂loss/∂Y of B rows i and m columns j; ∂X = G W = Σ_j G_j W_j, a
sum over columns of G and rows of W, and ∂W = GᵀX = Σ_i G_iᵀ X_i, a sum over rows of both; inputs are called x and w.
"""

from __future__ import annotations

from typing import Literal, TypedDict, overload

from minigrad.engine.estimator import Estimator
from minigrad.estimators.diagonal import DiagonalSketch
from minigrad.estimators.mask import Mask
from minigrad.estimators.presets_of_bits import Residuals, actnn, natural_compression, qsgd, terngrad
from minigrad.estimators.projection import RandomProjection
from minigrad.estimators.replacement import WithReplacement
from minigrad.estimators.topk import TopK
from minigrad.estimators.winner import WinnerTakeAll
from minigrad.naming import unknown

__all__ = [
    "actnn", "column_row", "meprop", "natural_compression", "qsgd", "rad", "sparsification", "terngrad", "vcas",
    "winner_take_all",
]  # fmt: skip


class Cotangents(TypedDict):
    """Keyword arguments that sketch the cotangent."""

    vjp: Estimator | dict[str, Estimator]


def rad(budget: float, kind: Literal["features", "entries", "projection"] = "features") -> Residuals:
    """Randomised automatic differentiation: keep a random part of the input for ∂W. Unbiased.

    ∂Ŵ = Gᵀ X̂ with E X̂ = X, drawn in the forward pass: the tape holds X̂ in place of X. ∂X stays exact.

    Parameters
    ----------
    budget : float
        The fraction of X that is kept, in (0, 1].
    kind : {"features", "entries", "projection"}, default "features"
        The same random features of all samples, X̂_j = X_j/p ("same sample" in the paper's experiments); other features
        of every sample, x̂_ij = x_ij/p ("different sample"), which takes less memory only for budgets below a third, as
        each float32 entry is kept with its index; or X̂ = (X Ω) Ωᵀ with random signs Ω ("project").

    Returns
    -------
    dict
        With the key ``save``.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or the kind is unknown.

    Notes
    -----
    E‖∂Ŵ − ∂W‖² is (1/p − 1) ‖∂W‖² for features, (1/p − 1) Σ_ij x_ij² ‖G_i‖² for entries, and (n − 1)/r ‖∂W‖² for a
    projection to r of n features. Oktay et al. (2021), *Randomized Automatic Differentiation*, ICLR.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import presets
    >>> nn.Linear(64, 32, rng=0, **presets.rad(0.1, kind="projection"))
    Linear(64, 32, save=RandomProjection(0.1, kind='rademacher'))  2,080 parameters
    """
    kinds: dict[str, Estimator] = {
        "features": Mask(budget),
        "entries": Mask(budget, axis="element"),
        "projection": RandomProjection(budget, kind="rademacher"),
    }
    if kind not in kinds:
        raise ValueError(f"presets.rad: {unknown('kind', kind, kinds)}")
    return {"save": kinds[kind]}


def column_row(budget: float) -> Cotangents:
    """Column-row sampling: each product from a few of its terms, drawn with replacement. Unbiased.

    ∂X̂ = (1/r) Σ_t G_{j_t} W_{j_t}/q_{j_t} with q_j ∝ ‖G_j‖‖W_j‖, and ∂Ŵ = (1/r) Σ_t G_{i_t}ᵀ X_{i_t}/q_{i_t} with
    q_i ∝ ‖G_i‖‖X_i‖.

    Parameters
    ----------
    budget : float
        The number r of draws over the number of terms, in (0, 1].

    Returns
    -------
    dict
        With the key ``vjp``.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1].

    Notes
    -----
    E‖∂X̂ − ∂X‖² = ((Σ_j ‖G_j‖‖W_j‖)² − ‖∂X‖²)/r, and so for ∂W, where no q_j rests on the floor of `WithReplacement`,
    which is not in the paper; where one term dwarfs the others the variance is larger.
    Drineas, Kannan, Mahoney (2006), *Fast Monte Carlo Algorithms for Matrices I*, SIAM J. Comput. 36(1).

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> from minigrad import ops
    >>> from minigrad.estimators import presets
    >>> x, w = mg.Tensor(np.eye(4), requires_grad=True), mg.Tensor(np.eye(4), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = ops.linear(x, w, **presets.column_row(0.5)).sum()
    >>> tape.nodes[0].vjp["w"]
    WithReplacement(0.5, axis='row', target='weight')
    """
    terms_x = WithReplacement(budget, axis="column", target="input")
    terms_w = WithReplacement(budget, axis="row", target="weight")
    return {"vjp": {"x": terms_x, "w": terms_w}}


@overload
def winner_take_all(budget: float, where: Literal["save"] = "save") -> Residuals: ...
@overload
def winner_take_all(budget: float, where: Literal["vjp"]) -> Cotangents: ...
def winner_take_all(budget: float, where: Literal["save", "vjp"] = "save") -> Cotangents | Residuals:
    """Winner-take-all column-row sampling: the largest terms of ∂W for certain, the rest with replacement. Unbiased.

    ∂Ŵ = Σ_winners G_iᵀ X_i + (1/(r−t)) Σ_draws G_iᵀ X_i/q_i, with t winners and q over the other rows.

    Parameters
    ----------
    budget : float
        The number r of rows that are chosen over the number of rows, in (0, 1].
    where : {"save", "vjp"}, default "save"
        Sketch X in the forward pass by ‖X_i‖, to save memory (the paper multiplies by ‖G_i‖ of an earlier step, which
        is not known here); or the cotangent that is meant for ∂W by ‖G_i‖‖X_i‖, which only saves work.

    Returns
    -------
    dict
        With the key ``save`` or ``vjp``.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1], or ``where`` is something else.

    Notes
    -----
    With ``where="vjp"``, E‖∂Ŵ − ∂W‖² = ((Σ_tail ‖G_i‖‖X_i‖)² − ‖Σ_tail G_iᵀX_i‖²)/(r − t), where no q_i rests on the
    floor of `WithReplacement`, which is not in the paper. Liu et al. (2023),
    *Winner-Take-All Column Row Sampling for Memory Efficient Adaptation of Language Model*, NeurIPS, arXiv:2305.15265.

    Examples
    --------
    >>> from minigrad import nn
    >>> from minigrad.estimators import presets
    >>> model = nn.mlp((64, 32, 10), rng=0)
    >>> nn.set_save(model, **presets.winner_take_all(0.3))
    ['0', '2']
    >>> presets.winner_take_all(0.3, where="vjp")
    {'vjp': {'w': WinnerTakeAll(0.3, axis='row', target='weight')}}
    """
    if where not in ("save", "vjp"):
        raise ValueError(f"presets.winner_take_all: {unknown('where', where, ('save', 'vjp'))}")
    if where == "save":
        return {"save": WinnerTakeAll(budget, axis="row")}
    return {"vjp": {"w": WinnerTakeAll(budget, axis="row", target="weight")}}


def vcas(budget: float, weight_budget: float | None = None) -> Cotangents:
    """Variance-controlled adaptive sampling: samples by norm for ∂X, rows by leverage score for ∂W. Unbiased.

    Sample s of the cotangent goes on to ∂X with p_s = min(1, ‖G_s‖/τ), divided by p_s; row i enters ∂W with
    q_i = min(1, ‖G_i‖‖X_i‖/τ'), its leverage score. What is left out above is left out in all layers below.

    Parameters
    ----------
    budget : float
        The expected fraction of samples, in (0, 1].
    weight_budget : float, optional
        The expected fraction of rows in ∂W, of all rows, kept above or not. Default: ``budget``.

    Returns
    -------
    dict
        With the key ``vjp``.

    Raises
    ------
    ValueError
        If a budget is outside (0, 1].

    Notes
    -----
    The paper steps all ratios during training such that the variance that sampling adds stays at a fraction of the
    minibatch's. Here the callback `minigrad.training.AdaptiveBudget` takes the cheapest budgets for that, by a formula
    of how noise compounds. Wang, Chen, Zhu (2024),
    *Efficient Backpropagation with Variance-Controlled Adaptive Sampling*, ICLR, arXiv:2402.17227.

    Examples
    --------
    >>> from minigrad import datasets, nn, optim, training
    >>> from minigrad.estimators import presets
    >>> data = datasets.digits().flat()
    >>> model = nn.mlp((64, 64, 64, 10), rng=0)
    >>> chosen = nn.set_vjp(model, **presets.vcas(0.5))
    >>> adapt = training.AdaptiveBudget(0.1, every=50)
    >>> history = training.fit(
    ...     model, data, optimizer=optim.SGD(model, lr=0.1), epochs=3, batch_size=64, rng=0, callbacks=[adapt])
    >>> for line in adapt.log:
    ...     print(line["step"], all(0 < budget <= 1 for budget in line["budgets"].values()))
    0 True
    50 True
    """
    rows = budget if weight_budget is None else weight_budget
    samples = DiagonalSketch(budget, axis="sample")
    return {"vjp": {"x": samples, "w": DiagonalSketch(rows, axis="row", target="weight")}}


def meprop(budget: float) -> Cotangents:
    """meProp: the columns of largest norm, as they are. **Biased**: ``unbiased`` of its estimator is False.

    Ĝ keeps the k columns of largest ‖G_j‖, and nothing of the others.

    Parameters
    ----------
    budget : float
        k over the number of columns, in (0, 1].

    Returns
    -------
    dict
        With the key ``vjp``.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1].

    Notes
    -----
    ‖E Ĝ − G‖² = Σ_{j not kept} ‖G_j‖², which no average over steps removes. One choice of columns serves all samples.
    Sun et al. (2017), *meProp: Sparsified Back Propagation for Accelerated Deep Learning*, ICML.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.meprop(0.1), presets.meprop(0.1)["vjp"].unbiased
    ({'vjp': TopK(0.1)}, False)
    """
    return {"vjp": TopK(budget)}


def sparsification(budget: float) -> Cotangents:
    """Gradient sparsification: single entries, with the probabilities that minimise the variance. Unbiased.

    ĝ_ij = g_ij/p_ij with probability p_ij = min(1, abs(g_ij)/τ), and 0 otherwise.

    Parameters
    ----------
    budget : float
        The expected fraction of entries, in (0, 1].

    Returns
    -------
    dict
        With the key ``vjp``.

    Raises
    ------
    ValueError
        If the budget is outside (0, 1].

    Notes
    -----
    E‖Ĝ − G‖² = Σ_ij (1/p_ij − 1) g_ij². The paper sends sparse gradients of parameters between machines; here the
    cotangent of a node is made sparse, to send less rather than to compute less. Wangni et al. (2018), *Gradient
    Sparsification for Communication-Efficient Distributed Optimization*, NeurIPS.

    Examples
    --------
    >>> from minigrad.estimators import presets
    >>> presets.sparsification(0.05)
    {'vjp': DiagonalSketch(0.05, axis='element')}
    """
    return {"vjp": DiagonalSketch(budget, axis="element")}
