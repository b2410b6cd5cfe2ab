"""What `engine.tensor_methods` declares for checkers and editors is what `minigrad.ops` hangs on Tensor, both ways."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

import minigrad as mg
from minigrad.engine import tensor_methods
from minigrad.engine.tensor import Tensor
from minigrad.engine.tensor_methods import Methods
from minigrad.ops.methods import METHODS


def declared() -> dict[str, ast.FunctionDef]:
    """The functions in the body of `Methods`, by name."""
    tree = ast.parse(Path(tensor_methods.__file__).read_text(encoding="utf-8"))
    (cls,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == Methods.__name__]
    return {node.name: node for node in ast.walk(cls) if isinstance(node, ast.FunctionDef)}


def read(node: ast.FunctionDef) -> str:
    """A declaration without its first argument, as `shown` writes it; the class of tensors is Tensor."""
    text = f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}".replace("(self, ", "(").replace("(self)", "()")
    text = text.replace("TensorT | ArrayLike", "TensorLike").replace("TensorT", "Tensor")
    return text.replace(" = ", "=").replace("'", "")


def shown(function: object) -> str:
    """The signature of a function without its first argument."""
    signature = inspect.signature(function)
    rest = signature.replace(parameters=list(signature.parameters.values())[1:])
    return str(rest).replace(" = ", "=").replace("'", "")


DECLARED = declared()
NAMED = sorted(name for name in DECLARED if not name.startswith("__") and name != "T")
OPERATORS = sorted(set(DECLARED) - set(NAMED) - {"T"})


def hung() -> set[str]:
    """The attributes of Tensor that its own file does not give it."""
    own = Path(inspect.getsourcefile(Tensor)).read_text(encoding="utf-8")
    (cls,) = [node for node in ast.parse(own).body if isinstance(node, ast.ClassDef) and node.name == "Tensor"]
    written = {node.name for node in ast.walk(cls) if isinstance(node, ast.FunctionDef)}
    return {name for name in vars(Tensor) if name not in written and name not in made_by_python(Tensor)}


def made_by_python(cls: type) -> set[str]:
    plain = type("Plain", (Methods,), {"__slots__": cls.__slots__, "__annotations__": {}})
    return set(vars(plain)) | {"__orig_bases__", "__annotations__", "__firstlineno__", "__static_attributes__"}


def test_all_that_is_hung_on_tensors_is_declared_and_the_other_way_round():
    assert set(DECLARED) - {"__hash__"} == hung()
    assert set(METHODS) <= set(NAMED)
    assert set(DECLARED) <= set(dir(mg.Tensor([1.0])))


@pytest.mark.parametrize("name", NAMED)
def test_a_method_has_the_signature_that_is_declared(name):
    assert read(DECLARED[name]) == shown(getattr(Tensor, name))


@pytest.mark.parametrize("name", NAMED)
def test_a_method_has_the_summary_of_its_operation(name):
    """Editors show the one that is declared, Python the other."""
    summary = inspect.getdoc(getattr(Tensor, name)).split("\n\n")[0].replace("\n", " ")
    assert ast.get_docstring(DECLARED[name]) == summary


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_takes_as_many_operands_as_is_declared(name):
    takes = inspect.signature(getattr(Tensor, name)).parameters.values()
    needed = [p for p in takes if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
    positional = DECLARED[name].args.args
    # The slot of `object.__hash__` shows (self, /).
    assert len(positional) == (1 if name == "__hash__" else len(needed))


def test_a_wrong_declaration_is_found():
    (good,) = ast.parse("def exp(self, *, vjp: VJP = None) -> TensorT: ...").body
    (bad,) = ast.parse("def exp(self, *, vpj: VJP = None) -> TensorT: ...").body
    assert read(good) == shown(Tensor.exp) != read(bad)


def test_operators_and_methods_are_the_functions_themselves():
    """Nothing stands between a method and its operation, so it costs nothing."""
    assert Tensor.exp is mg.ops.exp and Tensor.__add__ is mg.ops.add
    assert Methods.__slots__ == () and not hasattr(mg.Tensor(1.0), "__dict__")
