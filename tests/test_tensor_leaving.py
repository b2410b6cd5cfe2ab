"""What would turn a tensor into plain numbers, and lose its gradient without a word, raises and says what to write."""

from __future__ import annotations

import array
import fractions
import math
import operator
import statistics
import struct

import numpy as np
import pytest
from scipy import linalg, optimize, spatial, special, stats

import minigrad as mg
from minigrad import ops

SCALAR = {
    "setitem": lambda s: np.zeros(3).__setitem__(0, s),
    "setitem of all": lambda s: np.zeros(()).__setitem__((), s),
    "setitem by flat": lambda s: np.zeros(3).flat.__setitem__(0, s),
    "setitem of a slice": lambda s: np.zeros(3).__setitem__(slice(2), s),
    "setitem of a list": lambda s: np.zeros(2).__setitem__(slice(2), [s, s]),
    "setitem of objects": lambda s: np.zeros(2, object).__setitem__(slice(2), [s, s]),
    "+=": lambda s: operator.iadd(np.zeros(2), s),
    "out=": lambda s: np.add(np.zeros(2), 1.0, out=s),
    "float": float,
    "int": int,
    "round": round,
    "round to digits": lambda s: round(s, 2),
    "complex": complex,
    "range": range,
    "index": operator.index,
    "%f": lambda s: "%f".__mod__(s),
    "math.exp": math.exp,
    "math.floor": math.floor,
    "math.trunc": math.trunc,
    "math.isfinite": math.isfinite,
    "math.hypot": lambda s: math.hypot(s, 1.0),
    "math.fsum": lambda s: math.fsum([s, s]),
    "statistics": lambda s: statistics.fmean([s, s]),
    "Fraction": fractions.Fraction,
    "array.array": lambda s: array.array("d", [s]),
    "struct": lambda s: struct.pack("d", s),
    "float32": np.float32,
    "float64": np.float64,
    "int64": np.int64,
    "bool_": np.bool_,
    "complex128": np.complex128,
    "tolist": mg.Tensor.tolist,
    "asarray": np.asarray,
    "array of a list": lambda s: np.array([s, s]),
    "array of objects": lambda s: np.array([s, s], dtype=object),
    "structured array": lambda s: np.array([(s,)], dtype=[("a", float)]),
    "fromiter": lambda s: np.fromiter([s, s], float),
    "full": lambda s: np.full(2, s),
    "arange": np.arange,
    "fill": lambda s: np.zeros(2).fill(s),
    "put": lambda s: np.zeros(2).put(0, s),
    "initial": lambda s: np.ones(2).sum(initial=s),
    "clip": lambda s: np.ones(2).clip(s, 2.0),
    "searchsorted": lambda s: np.arange(3.0).searchsorted(s),
    "index of an array": lambda s: np.arange(9)[s],
    "random": lambda s: np.random.default_rng(0).normal(s),
    "Tensor of a list": lambda s: mg.Tensor([s, s]),
    "operation on a list": lambda s: ops.add([s, s], 1.0),
    "setting": lambda s: ops.clip([1.0, 2.0], s),
}
VECTOR = {
    "setitem": lambda x: np.zeros(2).__setitem__(slice(2), x),
    "copyto": lambda x: np.copyto(np.zeros(2), x),
    "+=": lambda x: operator.iadd(np.zeros(2), x),
    "asarray": np.asarray,
    "float64": np.float64,
    "stack": lambda x: np.array([x, x]),
    "dot": lambda x: np.ones(2).dot(x),
    "vectorize": lambda x: np.vectorize(lambda v: v)(x),
    "random": lambda x: np.random.default_rng(0).normal(x),
    "frombuffer": np.frombuffer,
}
CASES = [
    *[pytest.param(fn, np.array(1.5), id=name) for name, fn in SCALAR.items()],
    *[pytest.param(fn, np.array([1.5, 2.5]), id=f"{name} of a vector") for name, fn in VECTOR.items()],
]


@pytest.mark.parametrize("leave, value", CASES)
@pytest.mark.parametrize("what", ["recorded", "recorded, afterwards", "a leaf within a block"])
def test_no_number_leaves_a_tape_silently(leave, value, what):
    x = mg.Tensor(value, requires_grad=True)
    with mg.Tape():
        y = x if what == "a leaf within a block" else x * 2
        if what != "recorded, afterwards":
            with pytest.raises((TypeError, ValueError, struct.error)):
                leave(y)
    if what == "recorded, afterwards":
        with pytest.raises((TypeError, ValueError, struct.error)):
            leave(y)


def test_the_sum_of_entries_written_into_an_array():
    """Once it was a constant, and the gradient 0: here are the right numbers, by `stack`."""

    def written(x):
        z = np.zeros(3)
        for k in range(3):
            z[k] = x[k]
        return mg.Tensor(z).sum()

    with pytest.raises(ValueError) as caught:  # NumPy's own error stands in front of ours
        mg.grad(written)(np.ones(3))
    assert "minigrad.ops.stack" in str(caught.value.__cause__) and "`x.item()`" in str(caught.value.__cause__)
    assert mg.grad(lambda x: ops.stack([x[k] for k in range(3)]).sum())(np.ones(3)).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "write, says",
    [(float, "float(x)"), (int, "int(x)"), (round, "round(x)"), (math.exp, "float(x)"), (np.float64, "NumPy")],
)
def test_the_message_says_what_to_write(write, says):
    with pytest.raises(TypeError) as caught:
        mg.grad(lambda x: x * write(x))(1.5)
    text = str(caught.value)
    assert text.startswith(f"{says} would turn this tensor into a plain")
    for part in ("gradient would be lost", "minigrad.ops", "x.data", "minigrad.ops.stack([x, y])", "np.block"):
        assert part in text


def test_what_stays_allowed():
    leaf = mg.Tensor(1.5, requires_grad=True)
    constant = mg.Tensor(1.5)
    with mg.Tape():
        loss = leaf * 2
        for s in (constant, loss.detach(), constant * 2):  # no gradient is wanted
            assert float(s) == s.item() and int(s) == int(s.item()) and round(s) == round(s.item())
            assert math.exp(s) == math.exp(s.item()) and np.float64(s) == s.item()
            z = np.zeros(2)
            z[0] = s
            assert z[0] == s.item()
        assert f"{loss:.2f} {loss}" == "3.00 " + str(loss)  # in text
        assert loss.item() == 3.0 and loss.data == 3.0 and loss.numpy() == 3.0  # what says so
        assert loss > 2 and bool(loss) and max(loss, leaf) is loss  # the flow of control by values
    assert float(leaf) == 1.5 and math.exp(leaf) == math.exp(1.5) and np.asarray(leaf) == 1.5  # nothing is recorded


SCIPY = {
    "logsumexp": lambda x: special.logsumexp(x),
    "softmax": lambda x: special.softmax(x),
    "solve_triangular": lambda x: linalg.solve_triangular(np.eye(2), x),
    "cho_factor": lambda x: linalg.cho_factor(x),
    "logpdf": lambda x: stats.norm.logpdf(x),
    "cdist": lambda x: spatial.distance.cdist(x, x),
}


@pytest.mark.parametrize("name", SCIPY)
def test_a_function_of_scipy_that_reads_arrays_is_named(name):
    who = f"SciPy('s {name})?" if name in ("solve_triangular", "cho_factor") else f"SciPy's {name}"  # decorated
    with pytest.raises(TypeError, match=f"^{who} would turn this tensor into a plain array"):
        mg.grad(lambda x: SCIPY[name](x).sum())(np.eye(2))


def test_what_the_user_wrote_below_scipy_is_not_put_down_to_it():
    with pytest.raises(TypeError, match=r"^NumPy would turn .* minigrad\.ops\.stack\(\[x, y\]\)"):
        optimize.minimize(mg.value_and_grad(lambda x: np.array([x[0], x[1]]).sum()), np.ones(2), jac=True)
