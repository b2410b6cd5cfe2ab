"""What the sweep takes on trust from the library's own estimators, and from nobody else's."""

from __future__ import annotations

import numpy as np
import pytest
from estimator_cases import bilinear, every, normal

import minigrad as mg
from minigrad import ops
from minigrad.engine.results import read_only
from minigrad.estimators import DiagonalSketch, Exact, Mask, Selection
from minigrad.structure import Columns, Structured, dense

GIVEN = {
    "normal": lambda shape: normal(1, *shape),
    "zero": np.zeros,
    "one column": lambda shape: np.where(np.arange(shape[-1]) == 1, normal(2, *shape), 0.0),
    "NaN": lambda shape: np.where(np.arange(shape[-1]) == 1, np.nan, 1.0) * np.ones(shape),
    "infinite": lambda shape: np.where(np.arange(shape[-1]) == 1, np.inf, 1.0) * np.ones(shape),
    "tiny": lambda shape: 1e-300 * normal(3, *shape),
}


def breaches(estimator, given, shape, dtype):
    """What an estimator does that the sweep would not notice: each as a word."""
    tape, y, _, _ = bilinear("linear", estimator)
    node = tape.nodes[0] if shape == y.shape else None
    with np.errstate(over="ignore", under="ignore"):
        g = read_only(GIVEN[given](shape).astype(dtype))
    before = g.copy()
    try:
        drawn = estimator.sample(g, node, np.random.default_rng(0))
    except ValueError as error:
        return [str(error)]
    if not isinstance(drawn, (np.ndarray, Structured)):
        return ["kind"]
    found = [] if drawn.shape == g.shape and np.shape(dense(drawn)) == g.shape else ["shape"]
    found += [] if drawn.dtype.kind == "f" else ["dtype"]
    return found + ([] if np.array_equal(g, before, equal_nan=True) else ["changed"])


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("shape", [(3, 3), (5,), (4, 6), (2, 3, 4), (1, 1)])
def test_the_librarys_own_estimators_keep_to_the_contract_that_is_not_checked_at_each_draw(given, shape):
    for estimator in [*every(0.4), *every(1.0), Exact()]:
        assert type(estimator)._trusted, estimator
        for dtype in (np.float32, np.float64):
            assert breaches(estimator, given, shape, dtype) == [], (estimator, dtype)


@pytest.mark.parametrize(
    ("sample", "found"),
    [
        (lambda self, g, node, rng: np.multiply(g, 2, out=g), ["output array is read-only"]),
        (lambda self, g, node, rng: g[:1], ["shape"]),
        (lambda self, g, node, rng: Columns(np.ones((3, 1)), np.array([0]), (3, 4)), ["shape"]),
        (lambda self, g, node, rng: g > 0, ["dtype"]),
        (lambda self, g, node, rng: g.tolist(), ["kind"]),
        (lambda self, g, node, rng: 2 * g, []),
    ],
)
def test_the_checker_finds_what_breaks_the_contract(sample, found):
    estimator = type("Faulty", (mg.Estimator,), {"sample": sample})()
    assert breaches(estimator, "normal", (3, 3), np.float64) == found


@pytest.mark.parametrize("home", ["__main__", "mine", "minigrad_mine", "mine.minigrad", ""])
@pytest.mark.parametrize("base", [mg.Estimator, Mask, Selection, DiagonalSketch])
def test_an_estimator_of_somebody_elses_is_not_trusted_and_may_not_write_to_the_cotangent(base, home):
    def sample(self, g, node, rng):
        g *= 2
        return g

    own = type("Own", (base,), {"sample": sample, "__module__": home})
    assert not own._trusted
    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(x, np.ones((4, 3)), vjp=own() if base is mg.Estimator else own(0.5))
    with pytest.raises(ValueError, match="tried to change the cotangent in place"):
        tape.gradients(y, [x], cotangent=np.ones((2, 4)))


def test_probabilities_of_somebody_elses_may_not_write_to_the_cotangent():
    class Own(Selection):
        def probabilities(self, g, node):
            g[:] = 0.0
            return np.full(g.shape[-1], self.budget)

    x = mg.Tensor(np.ones((2, 3)), requires_grad=True)
    with mg.Tape() as tape:
        y = ops.linear(x, np.ones((4, 3)), vjp=Own(0.5))
    with pytest.raises(ValueError, match="tried to change the cotangent in place"):
        tape.gradients(y, [x], cotangent=np.ones((2, 4)))
