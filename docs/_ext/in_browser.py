"""A button on each lesson that opens it in the browser: JupyterLite, with minigrad's own wheel in its Python.

The pages that Python needs (Pyodide) are fetched by the reader's browser, where it has a network. Without one, the
button says so and points to the notebook. Where jupyterlite-sphinx is not installed, there is no button.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
from html import escape
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError

import minigrad

ROOT = Path(minigrad.__file__).parents[1]
NEEDS = ("jupyterlite_sphinx", "jupyterlite_pyodide_kernel")
LITE = "_lite"
"""The folder that JupyterLite is built from; it adds wheels from ``pypi`` there."""

NOTEBOOKS = "_lite_notebooks"
"""The folder of its files; their places there are those of their addresses."""

NOTEBOOK = re.compile(r'href="([^"]*_downloads/[^"]+\.ipynb)"')
FOREIGN = re.compile(r"jupyterlite_sphinx|^https?:")
INSTALL = "# In the browser, minigrad is installed anew for each notebook.\n%pip install -q minigrad-vjp"


def configure(app: Any, config: Any) -> None:
    """Tell sphinx-gallery and jupyterlite-sphinx what goes into the browser."""
    config.jupyterlite_dir = str(Path(app.srcdir) / LITE)
    config.jupyterlite_content_dir = NOTEBOOKS
    config.sphinx_gallery_conf["jupyterlite"] = {
        "use_jupyter_lab": False,
        "jupyterlite_contents": NOTEBOOKS,
        "notebook_modification_function": install_first,
    }


def install_first(notebook: dict[str, Any], path: str) -> None:
    """Put the line before a lesson that installs minigrad there."""
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": [INSTALL]}
    notebook["cells"].insert(0, cell)


def build_wheel(app: Any) -> None:
    """The wheel of this version, where JupyterLite looks for it."""
    folder = Path(app.srcdir) / LITE / "pypi"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder.parent / "jupyter_lite_config.json").write_text('{"LiteBuildConfig": {"no_sourcemaps": true}}\n')
    with tempfile.TemporaryDirectory() as copy:  # where it is built, files are written
        shutil.copytree(ROOT / "minigrad", Path(copy) / "minigrad", ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
            shutil.copy2(ROOT / name, copy)
        command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), copy]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExtensionError(f"the wheel for the lessons in the browser could not be built:\n{done.stderr}")


def kernel_address() -> str:
    """Where the browser fetches Python from, as the kernel has it."""
    from jupyterlite_pyodide_kernel import constants

    return f"{constants.PYODIDE_CDN_URL}/{constants.PYODIDE_MJS}"


def add_button(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Put the button below the title of a lesson."""
    folder, _, name = page.rpartition("/")
    body = context.get("body", "")
    notebook = NOTEBOOK.search(body)
    if folder != "gallery" or not name.startswith("plot_") or notebook is None:
        return
    lite = f"../lite/notebooks/index.html?path=gallery/{name}.ipynb"
    button = (
        f'<p class="in-browser"><a class="in-browser" href="{lite}" data-kernel="{escape(kernel_address())}" '
        f'data-notebook="{notebook[1]}">Open in the browser</a> '
        f'or <a href="{notebook[1]}" download>download the notebook</a>. <span role="status"></span></p>'
    )
    context["body"] = body.replace("</h1>", "</h1>" + button, 1)


def light(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Leave out the styles and scripts of jupyterlite-sphinx, one of which comes from the network: none is used."""
    for kind in ("css_files", "script_files"):
        context[kind] = [file for file in context.get(kind, []) if not FOREIGN.search(str(file.filename))]


def setup(app: Any) -> dict[str, Any]:
    """Connect everything, where JupyterLite is installed."""
    if all(importlib.util.find_spec(name) for name in NEEDS):
        app.setup_extension("jupyterlite_sphinx")
        app.connect("config-inited", configure, priority=50)
        app.connect("builder-inited", build_wheel)
        app.connect("html-page-context", add_button)
        app.connect("html-page-context", light, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
