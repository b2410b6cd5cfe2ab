"""The Sphinx site. Build it with ``sphinx-build -W --keep-going -b html docs docs/_build/html``.

Nothing is fetched from the network, neither to build nor to read: formulas are MathML, drawn by the browser itself;
pictures are drawn by running minigrad.

``MINIGRAD_FAST=1`` shrinks the lessons. ``MINIGRAD_LESSONS`` is a regular expression: lessons whose file name does not
match it are shown without being run.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "_ext"))

import minigrad  # noqa: E402

project = "minigrad"
author = "the minigrad authors"
copyright = "the minigrad authors, under the MIT licence"
version = release = minigrad.__version__
language = "en"

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "browser_math",
    "public_names",
    "pictures",
    "explorables",
    "readable",
    "in_browser",
]
exclude_patterns = [
    "_build",
    "_lessons",
    "_lite*",
    "_contents",
    "gallery/**/*.md5",
    "gallery/**/*.py",
    "gallery/**/*.ipynb",
]
templates_path = ["_templates"]
default_role = "py:obj"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3
add_function_parentheses = False
smartquotes_action = "De"  # quotes stay straight: most of them are of strings, as in {"row", "column"}
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(repr|len|collections|typing)(\..*)?"),
    ("py:.*", r"(numpy|np|matplotlib|scipy|concurrent)\..*"),  # other projects: their sites are not asked
]
suppress_warnings = ["config.cache", "toc.empty_glob"]


def leave_out_empty_lists(app, name, source):
    """Drop the list of pages where there are none yet; Sphinx would warn of it."""
    if name in ("experiments", "performance") and not any((HERE / name).glob("*.[mr][ds]*")):
        source[0] = source[0].partition(".. toctree::")[0]


def setup(app):
    """Extend Sphinx by what is only for these pages."""
    app.connect("source-read", leave_out_empty_lists)


# Docstrings

autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_docstring_signature = False
autosummary_generate = True
autosummary_generate_overwrite = True
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
numpydoc_validation_checks = set()
toc_object_entries_show_parents = "hide"

# Lessons

# The gallery wants its introduction beside the scripts; so they are copied to where that is.
LESSONS = HERE / "_lessons"
LESSONS.mkdir(exist_ok=True)
for script in sorted((ROOT / "tutorials").glob("plot_*.py")):
    shutil.copy2(script, LESSONS / script.name)
shutil.copy2(HERE / "lessons.txt", LESSONS / "GALLERY_HEADER.rst")

os.environ.setdefault("MPLBACKEND", "Agg")
sphinx_gallery_conf = {
    "examples_dirs": [str(LESSONS)],
    "gallery_dirs": ["gallery"],
    "filename_pattern": os.environ.get("MINIGRAD_LESSONS", r"plot_\d"),
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r".*\.rst",
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,
    "write_computation_times": False,
    "plot_gallery": "True",
    "abort_on_example_error": False,
    "only_warn_on_example_error": False,
    "capture_repr": ("_repr_html_", "__repr__"),
    "ignore_repr_types": r"matplotlib\.",
    "matplotlib_animations": False,
    "image_scrapers": ("matplotlib",),
    "doc_module": ("minigrad",),
    "backreferences_dir": None,
    "nested_sections": True,
    "image_srcset": ["2x"],
}

# Pages

html_theme = "pydata_sphinx_theme"
html_title = "minigrad"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_favicon = "_static/logo.svg"
html_js_files = [("page.js", {"defer": "defer"})]
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "browser"
html_context = {"default_mode": "auto"}
html_theme_options = {
    "logo": {"text": f"minigrad {version}", "image_light": "_static/logo.svg", "image_dark": "_static/logo.svg"},
    "navbar_align": "left",
    "show_prev_next": True,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": []}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
