"""What ``import minigrad`` shows, and how little it imports."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import minigrad as mg


def test_dir_shows_the_public_names_alone():
    public = {
        info.name
        for info in pkgutil.iter_modules(mg.__path__)
        if info.ispkg and getattr(importlib.import_module(f"minigrad.{info.name}"), "__all__", None)
    }
    assert set(dir(mg)) == {*mg.__all__, *public, "__version__"}


def test_every_name_that_is_shown_is_there():
    code = "import minigrad as mg; print(*[getattr(mg, name).__name__ for name in mg.PACKAGES])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [f"minigrad.{name}" for name in mg.PACKAGES]


def test_import_is_light():
    """Packages that are not asked for, and what draws, are not imported."""
    code = "import sys, minigrad; dir(minigrad); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    heavy = {f"minigrad.{name}" for name in mg.PACKAGES} - {"minigrad.structure"}
    assert "minigrad.ops" in imported and not imported & {*heavy, "matplotlib", "tqdm", "pooch"}


def test_a_misspelt_name_is_none():
    with pytest.raises(AttributeError, match="module 'minigrad' has no attribute 'Tensr'"):
        mg.Tensr  # noqa: B018
    with pytest.raises(ImportError):
        from minigrad import engin  # noqa: F401
