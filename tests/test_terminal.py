"""Words that cannot be written are lost, and the work is not: streams that are missing, closed or broken."""

from __future__ import annotations

import errno
import importlib.machinery
import io
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from tqdm import TqdmMonitorWarning, tqdm

import minigrad
from minigrad import nn, optim, training
from minigrad.experiments import Configuration, Method, Run
from minigrad.experiments.jobs import Job, run_jobs
from minigrad.experiments.store import Store
from minigrad.terminal import Lenient, in_notebook, progress_bar, watched

JOBS = sys.modules["minigrad.experiments.jobs"]


class Broken(io.StringIO):
    """A terminal that has gone: whatever is asked of it fails."""

    def __init__(self, error):
        super().__init__()
        self.failure = error

    def _fail(self, *arguments):
        raise self.failure

    write = flush = isatty = fileno = _fail


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


STREAMS = {
    "None": lambda: None,
    "closed": closed,
    "a terminal that has gone": lambda: Broken(OSError(errno.EIO, "Input/output error")),
    "a pipe without a reader": lambda: Broken(BrokenPipeError()),
    "a full disk": lambda: Broken(OSError(errno.ENOSPC, "No space left on device")),
}


@pytest.fixture(params=STREAMS)
def lose_stderr(request, monkeypatch):
    """To be called in the test: pytest has a standard error of its own for each phase."""
    return lambda: monkeypatch.setattr(sys, "stderr", STREAMS[request.param]())


def small_run(**options):
    x, y = np.eye(8, 4, dtype=np.float32), np.arange(8) % 2
    model = nn.mlp((4, 2), rng=0)
    return training.fit(model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=2, batch_size=4, rng=0, **options)


@pytest.mark.parametrize("progress", [None, True, False])
def test_fit(progress, lose_stderr):
    lose_stderr()
    assert len(small_run(progress=progress)) == 2


@pytest.mark.parametrize("progress", [None, True])
def test_many_runs(progress, lose_stderr, tmp_path, monkeypatch):
    def train(configuration, method, seed, data, checkpoint):
        return Run(configuration.key(method, seed), method.label, seed, training.History())

    monkeypatch.setattr(JOBS, "train", train)
    lose_stderr()
    job = Job(Configuration(train=64, test=20), Method("exact"), 0)
    assert list(run_jobs([job], Store(tmp_path), progress=progress)) == [job.key]


CLOSED = """
import sys, warnings
import numpy as np
from minigrad import nn, optim, training

def augment(x, rng):
    warnings.warn("some library's", RuntimeWarning)
    return x

sys.stderr.close()
model = nn.mlp((4, 2), rng=0)
data = np.eye(8, 4, dtype=np.float32), np.arange(8) % 2
training.fit(model, data, optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=4, rng=0, augment=augment)
print("trained", flush=True)
"""


def test_a_warning_of_any_library_does_not_stop_training():
    """Python itself raises ValueError where a warning meets a closed standard error."""
    done = subprocess.run([sys.executable, "-c", CLOSED], stdout=subprocess.PIPE, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("trained\n", 0)


def test_a_bar_is_shown_where_it_can_be(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    small_run(progress=True)
    assert "4/4" in stream.getvalue() and "loss=" in stream.getvalue()
    shown = stream.getvalue()
    small_run()  # no terminal
    assert stream.getvalue() == shown and not watched()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    small_run()
    assert len(stream.getvalue()) > len(shown) and watched()


class Shell:
    kernel = None


class TerminalShell:
    """IPython in a terminal has no kernel."""


def as_shell(monkeypatch, shell):
    """Let IPython say that this is the shell in which it runs."""
    module = types.ModuleType("IPython")
    module.get_ipython = lambda: shell
    monkeypatch.setitem(sys.modules, "IPython", module)


@pytest.mark.parametrize(
    "shell, there", [(Shell(), True), (TerminalShell(), False), (None, False)], ids=["notebook", "terminal", "script"]
)
def test_a_notebook_shows_a_bar_by_default(monkeypatch, shell, there):
    as_shell(monkeypatch, shell)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)  # as if not installed
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    small_run()
    assert in_notebook() == there and ("4/4" in stream.getvalue()) == there
    small_run(progress=False)
    assert stream.getvalue().count("4/4") == there


def test_a_notebook_with_widgets_shows_a_real_bar(monkeypatch):
    """Stand-ins for the widgets and for what displays them: what tqdm asks of them, and no more."""
    made, shown = [], []

    class Widget:
        bar_style = ""

        def __init__(self, *children, **traits):
            self.__dict__.update(traits, style=types.SimpleNamespace(), layout=types.SimpleNamespace())
            self.value, self.max = traits.get("value", 0), traits.get("max", 1)
            self.children = traits.get("children", children[0] if children else ())
            made.append(self)

        def close(self):
            self.closed = True

    notebook = pytest.importorskip("tqdm.notebook")
    as_shell(monkeypatch, Shell())
    widgets = types.ModuleType("ipywidgets")
    widgets.__spec__ = importlib.machinery.ModuleSpec("ipywidgets", None)
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    for name in ("HTML", "IProgress", "HBox"):
        monkeypatch.setattr(notebook, name, Widget, raising=False)
    monkeypatch.setattr(notebook, "TqdmHBox", Widget)
    monkeypatch.setattr(notebook, "display", shown.append, raising=False)
    with progress_bar(4, 0, "step") as bar:
        bar.update(4)
        bar.refresh()
        assert bar.container in shown and any(widget.value == 4 for widget in made)


def test_a_bar_starts_no_thread(monkeypatch):
    """In WebAssembly none can be started, and tqdm would say so at length."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())

    def refuse(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr(tqdm, "monitor", None)
    with progress_bar(3, 0, "run", True) as bar:
        bar.update()
    assert tqdm.monitor is None and type(bar).monitor is None
    with pytest.warns(TqdmMonitorWarning), tqdm(total=3, file=sys.stderr):  # what would be seen
        pass


def test_every_bar_is_made_here():
    """So that each is shown in a notebook, starts no thread, and is lost where words cannot be written."""
    users = [
        path.name
        for path in Path(minigrad.__file__).parent.rglob("*.py")
        if re.search(r"\btqdm\(|\btrange\(|progressbar=True", path.read_text(encoding="utf-8"))
    ]
    assert users == []


def test_a_bar_counts_from_what_is_done(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress_bar(10, 4, "run", True, "runs") as bar:
        bar.update()
        assert "runs:  50%" in str(bar) and "5/10" in str(bar) and "run/s" in str(bar)


@pytest.mark.parametrize("name", STREAMS)
def test_the_first_failure_is_kept_and_nothing_is_tried_again(name):
    stream = STREAMS[name]()
    lenient = Lenient(stream)
    assert lenient.write("words") == 5 and not lenient.isatty()
    lenient.flush()
    assert (lenient.error is None) == (stream is None)
    if isinstance(stream, Broken):
        assert lenient.error is stream.failure
        stream.write = stream.flush = lambda *arguments: pytest.fail("it was tried again")
        print("more", file=lenient, flush=True)
    lenient.let_go()  # of nothing: these have no place among the process's files


def test_other_mistakes_are_not_hidden():
    with pytest.raises(TypeError):
        Lenient(io.StringIO()).write(b"bytes")
