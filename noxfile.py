#!/usr/bin/env -S pipx run nox -f
# /// script
# dependencies = ["nox >= 2025.2"]
# ///
"""What continuous integration does, one part at a time: ``nox -l`` lists the parts, ``nox -s lint`` runs one."""

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "venv"
CLASSIFIERS = nox.project.load_toml("pyproject.toml")["project"]["classifiers"]
PYTHONS = [line.rpartition(" ")[2] for line in CLASSIFIERS if ":: 3." in line]


@nox.session(python=PYTHONS, default=False)
def tests(session: nox.Session) -> None:
    """Run the tests, or those that are named behind ``--``."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "pytest", "-q", *session.posargs, env={"MPLBACKEND": "Agg"})


@nox.session(python="3.10", default=False)
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest versions of the packages, or those that are named behind ``--``."""
    session.install("-c", ".ci/lowest.txt", "-e", ".[cluster]", "pytest", "hypothesis")
    chosen = session.posargs or [
        "-m",
        "not slow",
        "--ignore=tests/test_tutorials.py",
        "--ignore-glob=tests/test_course*.py",
    ]
    session.run("python", "-m", "pytest", "-q", *chosen, env={"MPLBACKEND": "Agg"})


@nox.session
def lint(session: nox.Session) -> None:
    """Run the linter, the formatter and the type checker; change nothing."""
    session.install("-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site, with warnings as errors."""
    session.install("-e", ".[docs]")
    session.run(".ci/docs", external=True, env={"PYTHON": "python"})


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """Build the sdist and the wheel, look at them, install them and try them."""
    session.run(".ci/package", external=True, env={"PYTHON": "python3", "LOWEST": "python3.10"})


if __name__ == "__main__":
    nox.main()
