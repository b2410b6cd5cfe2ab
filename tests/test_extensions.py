"""``--import``: modules and files of the user's own, here and in workers."""

from __future__ import annotations

import argparse

import pytest
from plugin_cases import COMPARE, PLUGIN, run

from minigrad import cli


def sub_commands():
    (commands,) = [a for a in cli._parser()._actions if isinstance(a, argparse._SubParsersAction)]
    return commands.choices


@pytest.mark.parametrize("name", sub_commands())
def test_every_command_takes_a_module(name):
    before = ["mlp"] if name in ("reproduce", "budgeted") else []
    options = sub_commands()[name].parse_args([*before, "--import", "one", "--import", "two.py"])
    assert options.extensions == ["one", "two.py"]


@pytest.mark.parametrize("how", ["mine.py", "mine", "folder/mine.py", "folder.mine"])
def test_a_file_of_ones_own_is_known_to_the_command_line(tmp_path, how):
    (tmp_path / "folder").mkdir()
    (tmp_path / ("folder/mine.py" if "folder" in how else "mine.py")).write_text("import beside_it\n" + PLUGIN)
    (tmp_path / ("folder/beside_it.py" if "/" in how else "beside_it.py")).write_text("")
    # As the installed command does, which does not put the folder it runs in on sys.path.
    program = (
        f"import sys; sys.path.remove(''); from minigrad.cli import main; sys.exit(main(['list', '--import', {how!r}]))"
    )
    status, out, err = run("-c", program, cwd=tmp_path)
    assert (status, err) == (0, "")
    for words in ("coin_toss(budget): all of it, enlarged", "one_layer a linear model", "few_digits a part of digits"):
        assert words in out


def test_worker_processes_import_it_too(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    kept = []
    for folder, workers in (("here", []), ("workers", ["--jobs", "1"])):
        arguments = (*COMPARE, "--import", "mine.py", *workers, "--out", folder)
        status, out, err = run("-m", "minigrad", *arguments, cwd=tmp_path)
        assert status == 0, err
        assert "CoinToss(budget=0.1)" in out
        kept.append({file.name for file in (tmp_path / folder / "runs").iterdir()})
    assert kept[0] == kept[1]  # the names are checksums of what was computed


PROGRAM = """
import sys
from distributed import LocalCluster
from minigrad.experiments import Configuration, Method
from minigrad.experiments.executors import dask_executor
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.store import Store
from minigrad.extensions import import_extension, imported

if __name__ == "__main__":
    import_extension(sys.argv[1])
    small = Configuration("one_layer", "few_digits", epochs=1, batch_size=20)
    job = Job(small, Method("coin", "coin_toss(0.5)"), 0)
    assert job.extensions == imported() == (sys.argv[1],)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=True, dashboard_address=None) as cluster:
        with dask_executor(cluster.scheduler_address) as executor:
            (run,) = run_jobs([job], Store("out"), executor=executor, progress=False).values()
    assert run.key == job.key
    print(run.history.last.loss == job().history.last.loss)
"""


def test_workers_of_a_dask_cluster_import_it_too(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.py").write_text(PLUGIN)
    (tmp_path / "program.py").write_text(PROGRAM)
    status, out, err = run("program.py", str(tmp_path / "elsewhere" / "mine.py"), cwd=tmp_path)
    assert status == 0, err
    assert out.endswith("True")


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("absent.py", None, "--import absent.py: there is no such file"),
        ("no_such_module", None, "--import no_such_module: ModuleNotFoundError: No module named 'no_such_module'"),
        ("folder/mine", None, "--import folder/mine: ModuleNotFoundError"),
        ("mine.py", "x = 1\n1 / 0", "--import mine.py: ZeroDivisionError: division by zero (line 2 of "),
        ("mine.py", "def f(:", "--import mine.py: SyntaxError: invalid syntax (mine.py, line 1)"),
        ("mine", "import no_such_module", "No module named 'no_such_module' (line 1 of "),
        ("mine.py", PLUGIN.replace("coin_toss", "mask"), "an estimator called 'mask' is registered already"),
        ("inner/argparse.py", "", "there is another module with the name 'argparse'; rename the file"),
    ],
)
def test_what_cannot_be_imported_is_one_message(tmp_path, name, code, words):
    if code is not None:
        (tmp_path / "inner").mkdir()
        (tmp_path / f"{name.removesuffix('.py')}.py").write_text(code)
    status, out, err = run("-m", "minigrad", "list", "--import", name, cwd=tmp_path)
    assert (status, out) == (2, "") and err.startswith("minigrad: ") and words in err and "Traceback" not in err
