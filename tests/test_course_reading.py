"""What a submission may read: itself and Python's libraries; not neighbours, answers or other copies of minigrad."""

from __future__ import annotations

import importlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from test_course import COURSE, earned, run, solution, worth

import minigrad

sys.path.append(str(COURSE))
reading = importlib.import_module("reading")
ROOT = Path(minigrad.__file__).parents[1]
OWN = "a submission may read its own file and Python's libraries only"


@dataclass(frozen=True)
class Attempt:
    """An expression or statements that end with ``theirs``: the text of somebody else's answer to task 1b."""

    label: str
    said: str
    text: str


ATTEMPTS = [
    Attempt("opens a neighbour's file", OWN, "theirs = open(BOB).read()"),
    Attempt(
        "looks beside its own file",
        OWN,
        "theirs = (Path(__file__).parents[1] / 'bob/assignment1.py').open()",
    ),
    Attempt("goes up from where it is", OWN, "theirs = open('../bob/assignment1.py').read()"),
    Attempt(
        "lists the neighbours", "IndexError", "theirs = [p.read_text() for p in Path(BOB).parents[1].glob('*/*.py')][0]"
    ),
    Attempt("lists by os.listdir", OWN, "theirs = os.listdir(Path(BOB).parent)"),
    Attempt("by another name of the same place", OWN, "theirs = open('/proc/self/root' + BOB).read()"),
    Attempt("by a link", OWN, "theirs = open(LINK).read()"),
    Attempt(
        "by a descriptor of a folder",
        "may not open folders",
        "fd = os.open(os.path.dirname(os.__file__), os.O_RDONLY)\ntheirs = os.open('os.py', os.O_RDONLY, dir_fd=fd)",
    ),
    Attempt("by os.open", OWN, "theirs = os.read(os.open(BOB, os.O_RDONLY), 9999).decode()"),
    Attempt("by NumPy", OWN, "theirs = np.fromfile(BOB, dtype=np.uint8).tobytes().decode()"),
    Attempt("by runpy", OWN, "import runpy\nlog_softmax_vjp = runpy.run_path(BOB)['log_softmax_vjp']\ntheirs = ''"),
    Attempt(
        "by a loader",
        OWN,
        "from importlib import machinery as m\ntheirs = m.SourceFileLoader('a', BOB).get_data(BOB).decode()",
    ),
    Attempt(
        "imports it", "No module named 'bobs'", "sys.path.insert(0, os.path.dirname(BOB))\nimport bobs\ntheirs = ''"
    ),
    Attempt("opens the answers of the class", OWN, "theirs = open(ANSWERS).read()"),
    Attempt("opens the solutions of the kit", OWN, "theirs = open(KIT).read()"),
    Attempt(
        "imports the solutions of the kit",
        "No module named",
        "sys.path.insert(0, os.path.dirname(KIT))\nimport assignment1\ntheirs = ''",
    ),
    Attempt("opens the graders", OWN, "theirs = open(GRADER).read()"),
    Attempt(
        "imports another copy of minigrad",
        "is blocked here",
        "for name in [name for name in sys.modules if name.startswith('minigrad')]:\n    del sys.modules[name]\n"
        "sys.path.insert(0, COPY)\nimport minigrad as mg\n"
        "def log_softmax_vjp(g, y):\n"
        "    return mg.vjp(lambda x: mg.ops.log_softmax(x / TEMPERATURE), y * TEMPERATURE)[1](g)[0]\ntheirs = ''",
    ),
    Attempt(
        "loads another copy of minigrad by its path",
        OWN,
        "import importlib.util as u\ns = u.spec_from_file_location('m', COPY + '/minigrad/__init__.py')\n"
        "m = u.module_from_spec(s)\ns.loader.exec_module(m)\ntheirs = ''",
    ),
    Attempt("opens another copy of minigrad", OWN, "theirs = open(COPY + '/minigrad/__init__.py').read()"),
]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A folder of submissions with a neighbour, answers, a link, and another copy of the library."""
    top = tmp_path_factory.mktemp("class")
    files = {"BOB": top / "handed" / "bob" / "assignment1.py", "ANSWERS": top / "answers" / "assignment1.py"}
    for file in files.values():
        file.parent.mkdir(parents=True)
        file.write_text(solution(1), encoding="utf-8")
    shutil.copy(files["BOB"], files["BOB"].with_name("bobs.py"))
    files["LINK"] = top / "link.py"
    try:
        files["LINK"].symlink_to(files["BOB"])
    except OSError:  # Windows without the right to
        shutil.copy(files["BOB"], files["LINK"])
    files["COPY"] = top / "elsewhere"
    shutil.copytree(Path(minigrad.__file__).parent, files["COPY"] / "minigrad")
    (top / "handed" / "ada").mkdir()
    files |= {
        "KIT": COURSE / "solutions" / "assignment1.py",
        "GRADER": COURSE / "grading.py",
        "ADA": top / "handed" / "ada",
    }
    return {name: str(path) for name, path in files.items()}


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.label)
def test_nothing_of_others_can_be_read(attempt: Attempt, places: dict[str, str]) -> None:
    if "/proc" in attempt.text and sys.platform != "linux":
        pytest.skip("this system has no /proc")
    names = "".join(f"{name} = {path!r}\n" for name, path in places.items())
    text = (
        f"{solution(1)}\n\ndel log_softmax_vjp\nimport os, sys\nfrom pathlib import Path\n{names}"
        f"{attempt.text}\nexec(theirs)\n"
    )
    tasks = run(1, text, Path(places["ADA"]), "--task=1b")
    assert earned(tasks) == 0, tasks
    assert all(attempt.said in note for note in tasks["1b"]["notes"]), tasks


HONEST = {
    "reads itself": "assert 'def sweep' in open(__file__).read()",
    "shows its own source": "import inspect\nassert 'reversed(tape)' in inspect.getsource(sweep)",
    "lists where it is": "import os\nassert os.listdir() == ['assignment1.py'] == os.listdir('.')",
    "draws a picture": "import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt\nplt.plot([1, 2])",
    "computes with SciPy": "import scipy.special, scipy.linalg, scipy.stats",
    "imports what it likes": "import decimal, email.message, fractions, sqlite3, statistics, unittest.mock, zoneinfo",
    "asks for versions": "import importlib.metadata as m\nassert m.version('numpy')",
    "prints where it was wrong": "import traceback\ntry:\n    1 / 0\nexcept Exception:\n    traceback.print_exc()",
    "warns": "import warnings\nwarnings.warn('look', stacklevel=1)",
    "knows the time": "import time, zoneinfo\ntime.strftime('%Z')\nzoneinfo.available_timezones()",
    "draws": "import secrets, os\nos.urandom(3), secrets.token_hex(3)\nopen(os.devnull).read()",
    "tests itself with NumPy": "import numpy.testing as t\nt.assert_allclose(np.ones(3), 1)",
    "lists what minigrad ships": "import os, minigrad\nassert 'ops' in os.listdir(minigrad.__path__[0])",
}


@pytest.mark.parametrize("what", HONEST)
def test_who_reads_nothing_of_others_is_unharmed(what: str, tmp_path: Path) -> None:
    for package in ("matplotlib", "scipy"):
        if package in HONEST[what]:
            pytest.importorskip(package)
    tasks = run(1, f"{solution(1)}\n\n{HONEST[what]}\n", tmp_path, "--task=1b")
    assert earned(tasks) == worth(tasks) > 0, tasks


def test_the_innermost_folder_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the environment stands within the folder of somebody, or has a copy of minigrad of its own."""
    packages, library = tmp_path / "minigrad" / ".venv" / "lib", tmp_path / "minigrad" / "minigrad"
    monkeypatch.setattr(reading, "libraries", lambda: {reading.plain(packages)})
    own = tmp_path / "own"
    rules = reading.Reading(own, library, [str(library / "theory")], [tmp_path, own.parent, library.parent])
    for path, said in {
        packages / "numpy" / "core.py": None,
        packages / "minigrad" / "theory.py": "another copy",
        packages / "vendored" / "minigrad" / "ops.py": "another copy",
        library / "ops" / "products.py": None,
        library / "theory" / "moments.py": "write it yourself",
        own / "assignment1.py": None,
        tmp_path / "bob" / "assignment1.py": "its own file",
        tmp_path / "minigrad" / "tutorials" / "course" / "solutions" / "assignment1.py": "its own file",
        Path(tmp_path.anchor) / "elsewhere.py": "its own file",
    }.items():
        found = rules.refusal(path)
        assert found is None if said is None else found and said in found, (path, found)
