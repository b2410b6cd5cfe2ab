"""The API reference: one page for each public package, with every name of its ``__all__``.

The pages are written into ``api/`` when the build begins, so a name that is added to a package is on the site without
further ado. Names of `minigrad.ops` are grouped by the file that they stand in.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import minigrad

FIRST = [
    "minigrad",
    "minigrad.ops",
    "minigrad.estimators",
    "minigrad.estimators.presets",
    "minigrad.structure",
    "minigrad.inspect",
    "minigrad.theory",
]
"""In this order; the other packages follow by name."""

GROUPED = {"minigrad.ops"}


def packages() -> list[str]:
    """The names of the modules that a user imports from: all packages, and those of `FIRST`."""
    found = [info.name for info in pkgutil.walk_packages(minigrad.__path__, "minigrad.") if info.ispkg]
    public = [name for name in found if not any(part.startswith("_") for part in name.split("."))]
    return FIRST + sorted(name for name in public if name not in FIRST)


def public_names(package: str) -> list[str]:
    """The names of ``__all__`` that are not modules."""
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", [])
    return [name for name in listed if not isinstance(getattr(module, name), ModuleType)]


def homes() -> dict[str, str]:
    """Each public name, as ``minigrad.grad``, and the one name under which the same object is documented."""
    objects = {
        f"{package}.{name}": getattr(importlib.import_module(package), name)
        for package in packages()
        for name in public_names(package)
    }
    first: dict[int, str] = {}
    # `ops.absolute` before its other name `ops.abs`.
    for full in sorted(objects, key=lambda full: getattr(objects[full], "__name__", "") != full.rpartition(".")[2]):
        first.setdefault(id(objects[full]), full)
    return {full: first[id(thing)] for full, thing in objects.items()}


def summary(module: str) -> str:
    """The first sentence of a module's docstring."""
    text = inspect.getdoc(importlib.import_module(module)) or module
    return text.split("\n\n")[0].replace("\n", " ").strip()


def groups(package: str, names: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The names of a package by the file they stand in, or all of them under no heading."""
    if package not in GROUPED:
        yield "", names
        return
    module = importlib.import_module(package)
    by_file: dict[str, list[str]] = {}
    for name in names:
        by_file.setdefault(getattr(getattr(module, name), "__module__", package), []).append(name)
    for file in sorted(by_file):
        yield re.split(r"[.,:](?:\s|$)", summary(file))[0], by_file[file]


def page(package: str, where: dict[str, str]) -> str:
    """The page of one package, as reST."""
    names = public_names(package)
    own = [name for name in names if where[f"{package}.{name}"] == f"{package}.{name}"]
    again = [name for name in names if name not in own]
    lines = [f"``{package}``", "=" * (len(package) + 4), "", summary(package), ""]
    lines += [f".. currentmodule:: {package}", ""]
    for heading, group in groups(package, own):
        if heading:
            lines += [heading, "-" * len(heading), ""]
        lines += [".. autosummary::", "   :toctree: .", "   :nosignatures:", ""]
        lines += [f"   {name}" for name in group] + [""]
    if again:
        lines += ["Also under this name:", ""]
        lines += [f"* ``{package}.{name}`` is `{where[f'{package}.{name}']}`" for name in again] + [""]
    return "\n".join(lines)


def write(app: Any, config: Any) -> None:
    """Write the pages, unless they are there already with this content."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    where = homes()
    # Files that differ in case alone would be one file on some systems.
    taken: set[str] = set()
    for full in where:
        if full.lower() in taken:
            config.autosummary_filename_map[full] = f"{full}_"
        taken.add(full.lower())
    listed = [name for name in packages() if public_names(name)]
    index = ["API reference", "=============", "", "Every public name, each with an example that the tests run.", ""]
    index += [".. toctree::", "   :hidden:", ""] + [f"   {name}" for name in listed] + [""]
    for name in listed:
        own = [full for full, home in where.items() if full == home and full.rpartition(".")[0] == name]
        links = [f":py:obj:`{full.rpartition('.')[2]} <{full}>`" for full in own]
        index += [f":doc:`{name}`", f"   {summary(name)}", "", f"   {' · '.join(links)}", ""]
    texts = {"index": "\n".join(index), **{name: page(name, where) for name in listed}}
    for name, text in texts.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def exists(target: str) -> bool:
    """Whether some module of minigrad has an object of this (dotted) name, public or not."""
    names = [info.name for info in pkgutil.walk_packages(minigrad.__path__, "minigrad.") if "__main__" not in info.name]
    if target in names:
        return True
    head, *rest = target.removeprefix("minigrad.").split(".")
    for name in ["minigrad", *names]:
        thing = getattr(importlib.import_module(name), head, None)
        for part in rest:
            thing = getattr(thing, part, None)
        if thing is not None:
            return True
    return False


def owned(name: str) -> bool:
    """Whether some public class has a method or attribute of this name."""
    things = (getattr(importlib.import_module(full.rpartition(".")[0]), full.rpartition(".")[2]) for full in homes())
    return any(inspect.isclass(thing) and hasattr(thing, name) for thing in things)


def inherited(module: str | None, cls: str | None, name: str, where: dict[str, str]) -> str | None:
    """Where a method or attribute that is named in the docstring of a class is documented; None if it has none."""
    if not module or not cls:
        return None
    bases = getattr(getattr(importlib.import_module(module), cls, None), "__mro__", ())
    if not any(hasattr(base, name) for base in bases):
        return None
    homes_by_class = {base: full for full in where.values() for base in bases if full.endswith(f".{base.__name__}")}
    owners = [homes_by_class[base] for base in bases if name in vars(base) and base in homes_by_class]
    return f"{owners[0]}.{name}" if owners else f"{module}.{cls}.{name}"


SECTIONS = {
    "1": "unbiased", "2": "linear", "3": "optimal", "4": "depth", "5": "convergence", "6": "dual", "7": "price",
    "8": "compounding", "9": "bits",
}  # fmt: skip
"""The chapters of docs/theory, by the numbers that docstrings give."""


def link_theory(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """``Theory §3`` in a docstring becomes a link to the chapter."""
    for k, line in enumerate(lines):
        lines[k] = re.sub(r"Theory §(\d+)", lambda m: f":doc:`theory §{m[1]} </theory/{SECTIONS[m[1]]}>`", line)


def document_data(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Give a constant or an alias the docstring below it, in whichever file of its package that is."""
    from sphinx.pycode import ModuleAnalyzer  # here, for the tests read names where Sphinx is not installed

    package, _, short = name.rpartition(".")
    if what not in ("data", "attribute") or package not in packages():
        return
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        found = ModuleAnalyzer.for_module(info.name).find_attr_docs().get(("", short))
        if found:
            lines[:] = [*found]
            return


def resolve(app: Any, env: Any, node: Any, content: Any) -> Any:
    """Links from short names, such as ``nn.set_vjp`` or ``Tensor``, and from names that have another home.

    What exists, but is not public, stays code without a link. What does not exist is left to be warned of.
    """
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    where = homes()
    candidates = [target, f"minigrad.{target}", *(full for full in where if full.endswith(f".{target}"))]
    for candidate in candidates:
        home = where.get(candidate)
        if home is not None:
            return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", home, node, content)
    member = inherited(node.get("py:module"), node.get("py:class"), target, where)
    if member is not None:
        return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", member, node, content) or content
    return content if exists(target) or owned(target) else None


def mend_source(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """On the pages of source code, lead back to where a name is documented.

    Sphinx takes it for granted that all of a file is documented under one module; here one file may serve two packages.
    """

    def mend(match: re.Match[str]) -> str:
        full = match[2]
        if f"{match[3]}.".startswith(f"{full}."):
            return match[0]
        name = full.rpartition(".")[2]
        _, found, rest = match[3].partition(f".{name}")
        return f"{match[1]}{full}{rest}" if found else match[0]

    if page.startswith("_modules/"):
        context["body"] = re.sub(r"(api/([\w.]+?)_?\.html#)([\w.]+)", mend, context["body"])


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the operations among the methods of Tensor: they have pages of their own."""
    return True if what == "class" and hasattr(obj, "primitive") and callable(obj) else None


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx looks for files."""
    app.connect("config-inited", write)
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", document_data, priority=100)
    app.connect("autodoc-process-docstring", link_theory, priority=900)
    app.connect("html-page-context", mend_source)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
