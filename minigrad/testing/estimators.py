"""Assertions about estimators and randomised gradients: unbiased, and as noisy as a formula says."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import ops
from minigrad.arrays import plain
from minigrad.counts import MOST_DRAWS, count
from minigrad.engine.estimator import Estimator, TooManyOutcomes
from minigrad.engine.tape import Tape
from minigrad.engine.tensor import Tensor
from minigrad.inspect import exact_moments, unbiasedness
from minigrad.inspect.bernstein import critical_mean
from minigrad.inspect.leaves import Wanted, drawn
from minigrad.inspect.moments import LIMIT
from minigrad.streams import Domain, child, draw_key, generator, key_of
from minigrad.testing.biases import raise_unless_passed
from minigrad.typing import Array, Seed

__all__ = ["assert_unbiased", "assert_variance_close"]


def assert_unbiased(
    subject: Estimator | Tape,
    *args: Any,
    draws: int | None = None,
    detect: float | None = None,
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
    detect : float, optional
        The bias that has to be seen, as a part of the gradient, in every row: 0.05 is 5 %. Then as many draws are taken
        as it needs, and ``draws`` is the most that may be; default 100,000.
    alpha : float, default 1e-6
        How often the assertion may fail by chance although nothing is wrong. Where all outcomes can be listed, the
        mean is exact and chance plays no part in it.
    rng : Generator, int or None, default 0

    Raises
    ------
    AssertionError
        If the mean differs; the message says where it differs most, what was expected, what came, and how likely
        that is. Also if unbiasedness was not shown: there were too few events to tell, or entries were off in all
        draws, which a bias does, and so does an event that is too rare to have been seen.
    ValueError
        If ``detect`` takes more draws than allowed.

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
    AssertionError: KeepHalf() is biased for a cotangent of shape (6, 5)...
    """
    draws = 4000 if draws is None and detect is None else draws
    if isinstance(subject, Tape):
        loss, wrt = _loss_and_wrt("assert_unbiased", args)
        key = key_of(rng)
        report = unbiasedness(subject, loss, wrt, draws=draws, detect=detect, alpha=alpha, rng=key, quiet=True)
        raise_unless_passed(report, "the gradient", Wanted(subject, loss, wrt), key)
        return
    _check_estimator("assert_unbiased", subject)
    cotangents, first = [_floating(g) for g in args] or list(_examples()), key_of(rng)
    for number, g in enumerate(cotangents):
        tape, out, y = record(subject, g)
        key = child(Domain.TRIAL, first, number)
        report = unbiasedness(
            tape,
            out,
            [y],
            draws=draws,
            detect=detect,
            alpha=alpha / len(cotangents),
            rng=key,
            cotangent=g,
            limit=1 << 13,
            quiet=True,
        )
        what = f"{_name(subject)}|a cotangent of shape {g.shape}"
        raise_unless_passed(report, what, Wanted(tape, out, [y], g), key)


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
        Otherwise so many draws are compared with ``expected``, by Bernstein's inequality with the variance and the
        range of the draws (asymptotic: right for many draws).
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
        loss, wrt = _loss_and_wrt("assert_variance_close", args)
        _compare_variance(subject, loss, wrt, expected=expected, rtol=rtol, draws=draws, alpha=alpha, rng=rng)
        return
    _check_estimator("assert_variance_close", subject)
    cotangents, first = [_floating(g) for g in args] or list(_examples()), key_of(rng)
    for number, g in enumerate(cotangents):
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
            rng=child(Domain.TRIAL, first, number),
            what=f"{_name(subject)} for a cotangent of shape {g.shape}",
        )


def record(estimator: Estimator, g: Array) -> tuple[Tape, Tensor, Tensor]:
    """A tape of one node that hands on its cotangent through an estimator, its output and its leaf."""
    y = Tensor(np.zeros(g.shape, g.dtype), requires_grad=True, name="g")
    with Tape() as tape:
        out = ops.multiply(y, 1.0, vjp=estimator)
    return tape, out, y


def _examples() -> tuple[Array, ...]:
    rng = generator(Domain.TRIED, 0)
    even = rng.standard_normal((6, 5))
    uneven = rng.standard_normal((5, 6)) * np.array([30.0, 1.0, 1.0, 0.1, 0.0, 1.0])
    uneven[2] = 0.0
    return even, uneven, rng.standard_normal((2, 3, 4)).astype(np.float32)


def _name(estimator: Estimator) -> str:
    text = repr(estimator)
    return type(estimator).__name__ if text.startswith("<") else text


def _floating(g: Any) -> Array:
    g = plain(g, "a cotangent")
    return g if g.dtype.kind == "f" else g.astype(np.float64)


def _check_estimator(function: str, subject: Any) -> None:
    if isinstance(subject, Estimator):
        return
    hint = "subclass minigrad.Estimator and write `sample(self, g, node, rng)`"
    if isinstance(subject, type) and issubclass(subject, Estimator):
        hint = f"this is the class; make one of it, as in {function}({subject.__name__}())"
    raise TypeError(f"{function} takes an estimator, or a tape and a loss; got {subject!r}; {hint}")


def _loss_and_wrt(function: str, args: tuple[Any, ...]) -> tuple[Tensor, list[Tensor] | None]:
    if not 1 <= len(args) <= 2 or not isinstance(args[0], Tensor):
        raise TypeError(
            f"{function}: after a tape comes the loss, a Tensor recorded on it, and optionally a list of tensors, "
            f"as in {function}(tape, loss, [w])"
        )
    return args[0], args[1] if len(args) == 2 else None


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
    draws = count("assert_variance_close: draws", draws, MOST_DRAWS, "draws", least=2)
    try:
        moments = exact_moments(tape, loss, wrt, cotangent=cotangent, limit=min(LIMIT, 1 << 15))
    except (TooManyOutcomes, NotImplementedError):
        got, error, limit = _sampled(tape, loss, wrt, cotangent, draws, alpha, key_of(rng))
        limit += 1e-6 * abs(expected)
        how = f"± {error:.2g} over {draws} draws, asymptotic: the range of ‖ĝ − g‖² is taken as twice the largest seen"
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
    tape: Tape, loss: Tensor, wrt: list[Tensor] | None, cotangent: Array | None, draws: int, alpha: float, key: int
) -> tuple[float, float, float]:
    """Mean of ‖ĝ − g‖², its standard error, and by how much it may be off at level ``alpha`` (Bernstein)."""
    wanted = Wanted(tape, loss, wrt, cotangent)
    exact = wanted.exact()
    values = np.array(
        [np.square(drawn(wanted, draw_key(key, number)) - exact).sum() for number in range(draws)], dtype=np.float64
    )
    off = np.abs(values - values.mean())
    limit = critical_mean(np.array(values.var()), np.array(2 * off.max()), draws, alpha)
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(draws)), float(limit)
