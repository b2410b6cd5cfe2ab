"""The assertions of the coursework: they pass what is right, and say of each likely mistake where it is and what to do.

`assert_unbiased` fails by chance at most once in a million calls; seeds are fixed.
"""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import network, normal, unbiased

import minigrad as mg
from minigrad import ops
from minigrad.estimators import DiagonalSketch, LowRankSketch, Mask, RandomProjection, TopK
from minigrad.structure import dense
from minigrad.testing import assert_gradients_close, assert_unbiased, assert_variance_close

G = normal(1, 5, 4)


def keep(g, rng, p, scale):
    return g * (rng.random(g.shape[-1]) < p) * scale


class Sound(mg.Estimator):
    """A student's, in ten lines, with neither outcomes nor distortion."""

    def __init__(self, p=0.3):
        self.p = p

    def sample(self, g, node, rng):
        kept = rng.random(g.shape[-1]) < self.p
        return g * kept / self.p


class SoundWithReplacement(mg.Estimator):
    def sample(self, g, node, rng):
        r, m = 3, g.shape[-1]
        out = np.zeros_like(g)
        for j in rng.integers(m, size=r):
            out[..., j] += g[..., j] * m / r
        return out


class ForgotToDivide(mg.Estimator):
    def sample(self, g, node, rng):
        return keep(g, rng, 0.3, 1)


class DividedTwice(mg.Estimator):
    def sample(self, g, node, rng):
        return keep(g, rng, 0.3, 1 / 0.3**2)


class Swapped(mg.Estimator):
    def sample(self, g, node, rng):
        return keep(g, rng, 0.3, 1 / 0.7)


class ExactWhenEmpty(mg.Estimator):
    def sample(self, g, node, rng):
        out = keep(g, rng, 0.2, 1 / 0.2)
        return out if out.any() else g


class NotDividedByDraws(mg.Estimator):
    def sample(self, g, node, rng):
        m = g.shape[-1]
        out = np.zeros_like(g)
        for j in rng.integers(m, size=3):
            out[..., j] += g[..., j] * m
        return out


class ToExactNorm(mg.Estimator):
    def sample(self, g, node, rng):
        out = keep(g, rng, 0.3, 1 / 0.3)
        norm = np.linalg.norm(out)
        return out * (np.linalg.norm(g) / norm) if norm else out


class NeverTheLast(mg.Estimator):
    """An off-by-one: the last column is never drawn."""

    def sample(self, g, node, rng):
        m = g.shape[-1]
        out = np.zeros_like(g)
        for j in rng.integers(m - 1, size=3):
            out[..., j] += g[..., j] * m / 3
        return out


class LosesTheLast(mg.Estimator):
    """The last column is never drawn, and all others are right."""

    def sample(self, g, node, rng):
        out = keep(g, rng, 0.5, 2)
        out[..., -1] = 0
        return out


class OneScoreForAll(mg.Estimator):
    """Draws by norm, but divides by the mean probability."""

    def sample(self, g, node, rng):
        norms = np.linalg.norm(g.reshape(-1, g.shape[-1]), axis=0)
        p = np.minimum(1, 2 * norms / norms.sum())
        return g * (rng.random(p.size) < p) / p.mean()


MISTAKES = [
    ForgotToDivide,
    DividedTwice,
    Swapped,
    ExactWhenEmpty,
    NotDividedByDraws,
    ToExactNorm,
    NeverTheLast,
    OneScoreForAll,
]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_likely_mistakes_fail(mistake):
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(mistake())
    message = str(caught.value)
    for part in (
        f"{mistake.__name__}() is biased for a cotangent of shape",
        "entry (",
        "expected",
        "mean",
        "±",
        "look at:",
    ):
        assert part in message, message
    assert "by chance: " in message


def test_what_is_never_drawn_fails_too():
    """Draws alone cannot tell it from something very rare; the message says where, and of which kind it is."""
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(LosesTheLast())
    message = str(caught.value)
    for part in ("LosesTheLast()", "was not shown to be unbiased", "never kept", "never changed are in g[0], g[1]"):
        assert part in message, message


def test_an_estimator_that_draws_nothing_fails_for_certain():
    class Shrinks(mg.Estimator):
        def sample(self, g, node, rng):
            return 0.8 * g

    with pytest.raises(AssertionError, match=r"Shrinks\(\) is biased(.|\n)*a factor of 0.8(.|\n)*no chance"):
        assert_unbiased(Shrinks())


def test_the_bias_that_has_to_be_seen_decides_on_the_draws():
    assert_unbiased(Sound(0.5), G, detect=0.4)
    with pytest.raises(ValueError, match="takes about"):
        assert_unbiased(Sound(0.5), G, detect=0.01, draws=3000)


@pytest.mark.parametrize(("mistake", "factor"), [(ForgotToDivide, 0.3), (DividedTwice, 1 / 0.3), (Swapped, 3 / 7)])
def test_the_message_says_by_what_factor(mistake, factor):
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(mistake(), G)
    said = float(str(caught.value).split("a factor of ")[1].split()[0])
    assert said == pytest.approx(factor, rel=0.25)  # of one entry, over 2000 draws


@pytest.mark.parametrize("estimator", [Sound(), SoundWithReplacement()])
def test_a_student_s_sound_estimator_passes(estimator):
    assert_unbiased(estimator)
    assert_unbiased(estimator, G, rng=1)


@pytest.mark.slow
def test_the_library_s_own_pass():
    for estimator in unbiased(0.5)[::9]:
        assert_unbiased(estimator, G, draws=2000)
        assert_variance_close(estimator, G)


def test_a_biased_estimator_of_the_library_fails_by_enumeration():
    with pytest.raises(AssertionError, match=r"TopK\(0\.5\) is biased(.|\n)*no chance: it was computed"):
        assert_unbiased(TopK(0.5))


def test_draws_other_than_those_listed_fail():
    class Disagrees(Mask):
        def sample(self, g, node, rng):
            return dense(super().sample(g, node, rng)) * 1.2

    with pytest.raises(AssertionError, match="by chance"):
        assert_unbiased(Disagrees(0.5))


def test_too_few_events_are_not_called_a_bias():
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(Sound(0.0005), G, draws=400)
    assert "too few events" in str(caught.value) and "not shown to be unbiased" in str(caught.value)
    assert "is biased for" not in str(caught.value)


def test_a_tape_is_checked_and_the_culprit_named():
    w = mg.Tensor(normal(2, 4, 3), requires_grad=True, name="weight")
    x = mg.Tensor(normal(3, 5, 3), requires_grad=True, name="input")
    with mg.Tape() as tape:
        loss = ops.linear(x, w, vjp=Mask(0.5)).square().sum()
    assert_unbiased(tape, loss)
    assert_unbiased(tape, loss, [w])
    tape.nodes[0].vjp = ForgotToDivide()
    with pytest.raises(AssertionError) as caught:
        assert_unbiased(tape, loss, [w])
    message = str(caught.value)
    for part in ("the gradient is biased", "weight, entry (", "expected", "whose: node 0: linear", "where: weight"):
        assert part in message, message


def test_misuse_teaches():
    tape, loss, _ = network(Mask(0.5))
    for check in (assert_unbiased, assert_variance_close):
        options = {"expected": 1.0} if check is assert_variance_close else {}
        with pytest.raises(TypeError, match=r"this is the class; make one of it, as in \w+\(Sound\(\)\)"):
            check(Sound, **options)
        with pytest.raises(TypeError, match="write `sample"):
            check(lambda g: g, **options)
        with pytest.raises(TypeError, match="after a tape comes the loss"):
            check(tape, **options)
        with pytest.raises(TypeError, match="after a tape comes the loss"):
            check(tape, [loss], **options)
    with pytest.raises(TypeError, match="expected="):
        assert_variance_close(tape, loss)
    with pytest.raises(NotImplementedError, match="no closed form of its distortion"):
        assert_variance_close(Sound())


def test_integers_and_lists_will_do():
    assert_unbiased(Mask(0.5), [[1, 2, 3], [4, 5, 6]])
    assert_variance_close(Mask(0.5), [[1, 2, 3]], expected=14)


# Variances.


@pytest.mark.parametrize(
    "estimator", [Mask(0.25, "row"), DiagonalSketch(0.5), LowRankSketch(0.5), RandomProjection(0.5)], ids=repr
)
def test_variances_of_the_library_are_right(estimator):
    assert_variance_close(estimator)


def test_the_variance_of_a_student_s_estimator():
    kappa = 1 / 0.3 - 1
    assert_variance_close(Sound(), G, expected=kappa * np.sum(G**2))
    with pytest.raises(AssertionError) as caught:
        assert_variance_close(Sound(), G, expected=np.sum(G**2) / 0.3)  # 1/p, where it is 1/p − 1
    message = str(caught.value)
    for part in (
        "Sound(p=0.3) for a cotangent of shape (5, 4)",
        "expected",
        "got",
        "a factor of 0.7",
        "over 4000 draws",
        "κ = 1/p",
    ):
        assert part in message, message


def test_a_wrong_closed_form_is_caught_exactly():
    class Wrong(Mask):
        def distortion(self, g, node=None):
            return 1.0001 * super().distortion(g, node)

    with pytest.raises(AssertionError, match=r"exactly, over all \d+ outcomes"):
        assert_variance_close(Wrong(0.5))


def test_the_variance_of_a_tape():
    w = mg.Tensor(normal(4, 4, 3), requires_grad=True)
    x, g = normal(5, 6, 3), normal(6, 6, 4)
    with mg.Tape() as tape:
        loss = (ops.linear(x, w, vjp=Mask(0.25)) * g).sum()
    expected = 3 * np.sum((g.T @ x) ** 2)
    assert_variance_close(tape, loss, expected=expected)
    assert_variance_close(tape, loss, [w], expected=expected)
    with pytest.raises(AssertionError, match="Is the loss a mean"):
        assert_variance_close(tape, loss, expected=expected / 36)
    tape.nodes[0].vjp = Sound(0.25)  # no list: by draws
    assert_variance_close(tape, loss, expected=expected)
    with pytest.raises(AssertionError, match="draws"):
        assert_variance_close(tape, loss, expected=1.5 * expected)


def test_sampled_variances_rarely_fail_by_chance():
    """At alpha = 0.05 none of 60 sound runs may fail 15 times (probability below 1e-6, were the rate 0.05)."""
    failures = 0
    for seed in range(60):
        try:
            assert_variance_close(Sound(0.1), G, expected=9 * np.sum(G**2), draws=150, alpha=0.05, rng=seed)
        except AssertionError:
            failures += 1
    assert failures < 15


def test_the_three_serve_in_one_plain_test():
    assert_gradients_close(lambda x: ops.tanh(x) * 2, G)
    assert_unbiased(Sound(0.5), G)
    assert_variance_close(Sound(0.5), G, expected=np.sum(G**2))
