"""SciPy is imported with the first of its functions that is called, and not with minigrad."""

import subprocess
import sys

import numpy as np
import pytest

from minigrad.ops import special

HEAVY = ("scipy", "matplotlib", "tqdm", "pooch", "numpy.testing", "numpy.f2py", "html", "hashlib", "secrets")


def loaded_after(code: str) -> list[str]:
    """Which of the heavy packages a fresh interpreter has imported after some code, beside those of NumPy itself."""
    ask = f"import sys, numpy as np\nhad = set(sys.modules)\n{code}\n"
    ask += f"print(*[name for name in {HEAVY} if name in sys.modules and name not in had])"
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import minigrad",
        "import minigrad as mg; mg.grad(lambda x: (x * x).sum())(np.ones(3))",
        "import minigrad as mg; mg.grad(lambda x: np.exp(x).sum())(np.ones(3))",
        "import minigrad as mg; mg.grad(lambda x: x.gelu().sum())(np.ones(3, np.float32))",
        "from minigrad import estimators, nn, optim",
    ],
)
def test_what_needs_no_scipy_does_not_import_it(code):
    assert loaded_after(code) == []


def test_the_first_special_function_imports_scipy():
    found = loaded_after("import minigrad as mg; mg.ops.sigmoid(0.0)")
    assert "scipy" in found and "matplotlib" not in found


@pytest.mark.parametrize("order", ["import minigrad; from scipy", "from scipy"])
def test_a_function_of_scipy_on_a_tensor_is_that_of_minigrad_whichever_was_imported_first(order):
    code = f"{order} import special\nimport minigrad as mg\nx = mg.Tensor(0.0, requires_grad=True)\n"
    code += "with mg.Tape(): y = special.expit(x)\nassert y.node is not None and y.item() == 0.5\n"
    loaded_after(code)


def test_the_names_are_those_of_scipy():
    import scipy.special

    for name in ("erf", "expit", "gamma"):
        assert getattr(special, name) is getattr(scipy.special, name)
    for name in ("gama", "__path__"):
        with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
            getattr(special, name)
    assert special.expit(np.zeros(1)).tolist() == [0.5]


def test_a_rarer_function_of_scipy_is_described_when_a_tensor_asks():
    code = "import minigrad as mg\nfrom scipy import special\nassert mg.grad(mg.grad(special.j0))(0.0) == -0.5\n"
    loaded_after(code)
