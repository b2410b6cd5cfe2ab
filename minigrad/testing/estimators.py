"""Assertions about estimators and randomised gradients: unbiased, and as noisy as a formula says."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from minigrad import ops
from minigrad.estimator import Estimator, TooManyOutcomes
from minigrad.inspect import exact_moments, unbiasedness
from minigrad.inspect.leaves import Wanted, drawn
from minigrad.inspect.moments import LIMIT
from minigrad.inspect.unbiasedness import Unbiasedness
from minigrad.inspect.variance import draw_key
from minigrad.sweep import stream
from minigrad.tape import Tape
from minigrad.tensor import Tensor
from minigrad.typing import Array, Seed

__all__ = ["assert_unbiased", "assert_variance_close"]


def assert_unbiased(
    subject: Estimator | Tape,
    *args: Any,
    draws: int = 4000,
    alpha: float = 1e-6,
    rng: Seed = 0,
) -> None:
    """Assert that an estimator, or the gradient of a recorded tape, has the exact value as its mean.

    Two calls are understood: ``assert_unbiased(estimator)`` and ``assert_unbiased(tape, loss)``.

    Parameters
    ----------
    subject : Estimator or Tape
    *args
        For an estimator: cotangents to try, as arrays; default: a few of several shapes and scales, with a column and a
        row of zeros. For a tape: the loss, and optionally a list of tensors as ``wrt``.
    draws : int, default 4000
    alpha : float, default 1e-6
        How often the assertion may fail by chance although nothing is wrong. Where all outcomes can be listed, the
        mean is exact and chance plays no part in it.
    rng : Generator, int or None, default 0

    Raises
    ------
    AssertionError
        If the mean differs; the message says where it differs most, what was expected, what came, and how likely
        that is. Also if there were too few events to tell.

    See Also
    --------
    minigrad.inspect.unbiasedness : The report behind it.

    Examples
    --------
    >>> import minigrad as mg
    >>> from minigrad import testing
    >>> class KeepHalf(mg.Estimator):
    ...     def sample(self, g, node, rng):
    ...         return g * (rng.random(g.shape) < 0.5)       # not divided by the probability
    >>> testing.assert_unbiased(KeepHalf())
    Traceback (most recent call last):
        ...
    AssertionError: KeepHalf is biased for a cotangent of shape (6, 5)...
    """
    if isinstance(subject, Tape):
        loss, wrt = (*args, None)[:2]
        _check(unbiasedness(subject, loss, wrt, draws=draws, alpha=alpha, rng=rng), "the gradient", "")
        return
    if not isinstance(subject, Estimator):
        raise TypeError(f"assert_unbiased takes an estimator or a tape, got {subject!r}")
    cotangents = args or _examples()
    for number, g in enumerate(cotangents):
        g = np.asarray(g)
        tape, out, y = record(subject, g)
        key = draw_key(stream(rng), number)
        report = unbiasedness(
            tape, out, [y], draws=draws, alpha=alpha / len(cotangents), rng=key, cotangent=g, limit=1 << 13
        )
        if not report.passed:
            _check(report, f"{_name(subject)} is biased for a cotangent", _entry(tape, out, y, g, key, draws))


def assert_variance_close(
    subject: Estimator | Tape,
    *args: Any,
    expected: float | None = None,
    rtol: float = 1e-9,
    draws: int = 4000,
    alpha: float = 1e-6,
    rng: Seed = 0,
) -> None:
    """Assert that E‖ĝ − g‖² is what a formula says.

    Two calls are understood: ``assert_variance_close(estimator)`` and
    ``assert_variance_close(tape, loss, expected=…)``.

    Parameters
    ----------
    subject : Estimator or Tape
    *args
        For an estimator: cotangents to try, as arrays; default: as for `assert_unbiased`. For a tape: the loss, and
        optionally a list of tensors as ``wrt``; the variance is then of the gradient of the loss as recorded, under
        whatever reduction it has.
    expected : float, optional
        For an estimator the default is its own ``distortion(g)``. Needed for a tape.
    rtol : float, default 1e-9
        Relative accuracy asked for where all outcomes can be listed.
    draws : int, default 4000
        Otherwise so many draws are compared with ``expected`` (asymptotically: by their standard error).
    alpha : float, default 1e-6
        How often the assertion may fail by chance although nothing is wrong.
    rng : Generator, int or None, default 0

    Raises
    ------
    AssertionError
        If the variance differs; the message says by what factor.

    Examples
    --------
    >>> from minigrad import testing
    >>> from minigrad.estimators import Mask
    >>> testing.assert_variance_close(Mask(0.25))
    >>> testing.assert_variance_close(Mask(0.25), np.ones((2, 3)), expected=6.0)
    Traceback (most recent call last):
        ...
    AssertionError: E|ĝ - g|² of Mask(0.25) for a cotangent of shape (2, 3): expected 6, got 18...
    """
    if isinstance(subject, Tape):
        if expected is None:
            raise TypeError("assert_variance_close: say which variance is expected of the tape, with expected=")
        _compare_variance(subject, *args, expected=expected, rtol=rtol, draws=draws, alpha=alpha, rng=rng)
        return
    cotangents = args or _examples()
    for number, g in enumerate(cotangents):
        g = np.asarray(g)
        tape, out, y = record(subject, g)
        value = subject.distortion(g, tape.nodes[0]) if expected is None else expected
        _compare_variance(
            tape,
            out,
            [y],
            g,
            expected=value,
            rtol=rtol,
            draws=draws,
            alpha=alpha / len(cotangents),
            rng=draw_key(stream(rng), number),
            what=f"{_name(subject)} for a cotangent of shape {g.shape}",
        )


def record(estimator: Estimator, g: Array) -> tuple[Tape, Tensor, Tensor]:
    """A tape of one node that hands on its cotangent through an estimator, its output and its leaf."""
    y = Tensor(np.zeros(g.shape, g.dtype), requires_grad=True, name="g")
    with Tape() as tape:
        out = ops.multiply(y, 1.0, vjp=estimator)
    return tape, out, y


def _examples() -> tuple[Array, ...]:
    rng = np.random.default_rng(0)
    plain = rng.standard_normal((6, 5))
    uneven = rng.standard_normal((5, 6)) * np.array([30.0, 1.0, 1.0, 0.1, 0.0, 1.0])
    uneven[2] = 0.0
    return plain, uneven, rng.standard_normal((2, 3, 4)).astype(np.float32)


def _name(estimator: Estimator) -> str:
    text = repr(estimator)
    return type(estimator).__name__ if text.startswith("<") else text


def _check(report: Unbiasedness, what: str, entry: str) -> None:
    if report.passed:
        return
    if report.verdict == "inconclusive":
        raise AssertionError(f"{what}: too few events to tell; take more draws\n{report}")
    row = next(p.worst_row for p in report.parameters if p.name == report.worst_parameter)
    where = f"{report.worst_parameter}" + ("" if row is None else f", row {row}")
    chance = "no chance: all outcomes were listed" if report.p_value == 0 else f"by chance: {report.p_value:.1g}"
    head = f"{what}{entry}" if entry else f"{what} is biased"
    raise AssertionError(
        f"{head}\n  where: {where} ({chance})\n"
        "  look at: is each unit divided by the probability with which it is kept? "
        "Is that probability 0 anywhere? Does an empty draw return zeros, and not everything? Do two nodes share "
        f"a draw?\n{report}"
    )


def _entry(tape: Tape, out: Tensor, y: Tensor, g: Array, key: int, draws: int) -> str:
    """Words for the entry whose mean is furthest off."""
    wanted = Wanted(tape, out, [y], g)
    samples = np.array([drawn(wanted, draw_key(key, number)) for number in range(min(draws, 2000))])
    mean, error = samples.mean(axis=0), samples.std(axis=0) / np.sqrt(len(samples))
    worst = int(np.argmax(np.abs(mean - g.ravel()) / np.maximum(error, 1e-12 + 1e-9 * np.abs(g).max())))
    place = tuple(int(i) for i in np.unravel_index(worst, g.shape))
    expected, got = float(g.ravel()[worst]), float(mean[worst])
    factor = f", a factor of {got / expected:.3g}" if expected else ""
    means = f"expected {expected:.6g}, mean {got:.6g} ± {error[worst]:.1g}{factor}"
    return f" of shape {g.shape}\n  entry {place}: {means}"


def _compare_variance(
    tape: Tape,
    loss: Tensor,
    wrt: list[Tensor] | None = None,
    cotangent: Array | None = None,
    *,
    expected: float,
    rtol: float,
    draws: int,
    alpha: float,
    rng: Seed,
    what: str = "the gradient",
) -> None:
    """Raise if E‖ĝ − g‖² is not the expected one, exactly or by draws."""
    try:
        moments = exact_moments(tape, loss, wrt, cotangent=cotangent, limit=min(LIMIT, 1 << 15))
    except (TooManyOutcomes, NotImplementedError):
        got, error = _sampled(tape, loss, wrt, cotangent, draws, stream(rng))
        limit = float(special.ndtri(1 - alpha / 2)) * error + 1e-6 * abs(expected)
        how = f"± {error:.2g} over {draws} draws, asymptotic"
    else:
        got = moments.total_variance + moments.bias**2
        limit = rtol * max(abs(expected), abs(got)) + 1e-300
        limit = max(limit, 100 * float(np.finfo(loss.dtype).eps) * max(abs(expected), abs(got)))
        how = f"exactly, over all {moments.outcomes} outcomes"
    if not abs(got - expected) <= limit:
        ratio = f", a factor of {got / expected:.4g}" if expected else ""
        raise AssertionError(
            f"E|ĝ - g|² of {what}: expected {expected:.6g}, got {got:.6g}{ratio}\n  ({how}; allowed: {limit:.2g})\n"
            "  look at: κ = 1/p − 1 for a uniform mask; is the closed form of this axis, this design and this target? "
            "Is the loss a mean (variance ∝ 1/batch²) or a sum?"
        )


def _sampled(
    tape: Tape, loss: Tensor, wrt: list[Tensor] | None, cotangent: Array | None, draws: int, key: int
) -> tuple[float, float]:
    wanted = Wanted(tape, loss, wrt, cotangent)
    exact = wanted.exact()
    values = []
    for number in range(draws):
        values.append(float(np.square(drawn(wanted, draw_key(key, number)) - exact).sum()))
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(draws))
