"""Pictures to move: the directive ``.. explorable:: NAME``.

The function ``numbers`` of ``_explorables/NAME.py`` computes what is shown, with minigrad, when the site is built; the
result is written into the page. ``_static/explorables/NAME.js`` draws and moves it. Only pages that have one load its
script, and nothing is fetched. What stands below the directive is shown where scripts do not run.
"""

from __future__ import annotations

import html
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

SHARED = "explorables/explorable.js"


class explorable(nodes.Element):
    """One picture to move; its children are what stands for it without scripts."""


@cache
def numbers(script: Path) -> str:
    """What ``numbers`` of a script returns, as JSON."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json.dumps(module.numbers(), separators=(",", ":"), allow_nan=False)


class Explorable(SphinxDirective):
    """``.. explorable:: NAME`` with ``:label:``, the name that a screen reader says."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"label": directives.unchanged_required}

    def run(self) -> list[nodes.Node]:
        """Read the content, and name the script as what the page was made from."""
        name = self.arguments[0]
        script = Path(self.env.srcdir) / "_explorables" / f"{name}.py"
        if not script.is_file():
            raise self.error(f"there is no {script.name} in _explorables")
        self.env.note_dependency(str(script))
        node = explorable(name=name, label=self.options["label"], script=str(script))
        self.state.nested_parse(self.content, self.content_offset, node)
        return [node]


def visit(self: Any, node: explorable) -> None:
    """Open the figure: the numbers, then what is shown without scripts."""
    name, label = node["name"], html.escape(node["label"])
    data = numbers(Path(node["script"])).replace("</", r"<\/")
    self.body.append(f'<div class="explorable" role="group" data-explorable="{name}" aria-label="{label}">\n')
    self.body.append(f'<script type="application/json">{data}</script>\n<noscript>')


def depart(self: Any, node: explorable) -> None:
    """Close it."""
    self.body.append("</noscript></div>\n")


def add_scripts(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Load the scripts of the explorables that a page has."""
    found = sorted({node["name"] for node in doctree.findall(explorable)}) if doctree else []
    for file in [SHARED, *(f"explorables/{name}.js" for name in found)] if found else []:
        app.add_js_file(file, loading_method="defer")


def setup(app: Any) -> dict[str, Any]:
    """Register the directive."""
    app.add_node(explorable, html=(visit, depart))
    app.add_directive("explorable", Explorable)
    app.connect("html-page-context", add_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
