"""A submission as the grader sees it: a process of its own, to which calls are sent and from which data come back."""

from __future__ import annotations

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from grade import stopped
from notebooks import text_of
from wire import read, write

import minigrad

COURSE = Path(__file__).resolve().parent
IMPORT = 20.0
"""Seconds for the start of a process, beyond those for a call: NumPy and minigrad are read from the disk."""


class Submission:
    """The functions of a student's file, called one at a time in another process.

    Nothing that the file does reaches the grader, but what its functions return: as plain arrays, numbers and
    containers. A process that ends, or hangs, or asks for too much memory loses the call that it was in; the next call
    starts another.

    The process gets a copy of the file, alone in a folder: where the file was handed in lie those of others.

    Parameters
    ----------
    path : Path
        The student's file, a script or a notebook.
    name : str
        Of the assignment, by which its messages call the file, whatever it was called.
    blocked : sequence of str
        Modules that the file is not to call; see `blocking`.
    foreign : sequence of str
        Packages that it is not to import.
    seconds : float
        For one call.
    megabytes : int
        Of address space, where the operating system has such a limit.
    """

    def __init__(self, path, name, blocked=(), foreign=(), seconds=20.0, megabytes=3000):
        path = Path(path).resolve()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.path = Path(self._folder.name).resolve() / f"{name}.py"
        if path.suffix.lower() == ".ipynb":
            self.path.write_text(text_of(path), encoding="utf-8")
        else:
            shutil.copyfile(path, self.path)
        self._seconds = seconds
        self._settings = {
            "path": str(self.path),
            "blocked": list(blocked),
            "foreign": list(foreign),
            "unreadable": [str(folder) for folder in (COURSE, path.parent, path.parent.parent)],
            "library": str(Path(minigrad.__file__).resolve().parents[1]),
            "megabytes": megabytes,
            "cpu": 20 * seconds,
        }
        self._process = self._messages = self._printed = None
        self._broken = None

    def call(self, how, *arguments, seeds=None, helpers=None):
        """Call one of the functions of `given` in the process, which calls the submission.

        Parameters
        ----------
        how : str
        *arguments
            Plain data.
        seeds : list of (int, int or None), optional
            Call as often as this is long, with the first of each pair as the last argument, the seed of a generator.
            The second: ignore the seeds that the submission sets for itself, and draw them from this one.
        helpers : dict from str to callable, optional
            Functions of the submission that are replaced by these, which run here, in the grader.

        Returns
        -------
        object
            With ``seeds`` a list of them.

        Raises
        ------
        AssertionError
            If the call raised, ended the process or did not come to an end: with what to mend.
        """
        helpers = helpers or {}
        if self._broken:
            raise AssertionError(self._broken)
        if self._process is None:
            self._start()
        request = {"how": how, "arguments": list(arguments), "seeds": seeds, "replaced": list(helpers)}
        reply = self._exchange(request)
        while "ask" in reply:
            reply = self._exchange(_helped(helpers, reply))
        if "error" in reply:
            self._fail(reply)
        return reply.get("value")

    def close(self):
        """End the process, if there is one, and leave nothing."""
        self._end()
        self._folder.cleanup()

    def _end(self):
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process = None
        self._printed.close()

    def _start(self):
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 (closed in `close`)
        self._process = subprocess.Popen(
            [sys.executable, str(COURSE / "runner.py"), json.dumps(self._settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._printed,
            cwd=self.path.parent,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": ""},
        )
        self._messages = queue.SimpleQueue()
        threading.Thread(target=_pump, args=(self._process.stdout, self._messages), daemon=True).start()
        try:
            reply = self._exchange(None)
        except AssertionError as error:
            self._broken = f"{self.path.name} cannot be imported: {error}"
        else:
            where = f" in line {reply['line']}" if reply.get("line") else ""
            if "error" in reply:
                self._broken = f"{self.path.name} cannot be imported: {reply['error']}{where}: {reply['text']}"
        if self._broken:
            self._end()
            raise AssertionError(self._broken)

    def _exchange(self, message):
        start, most = time.monotonic(), self._seconds + IMPORT * (message is None)
        try:
            if message is not None:
                write(self._process.stdin, message)
            reply = self._messages.get(timeout=most)
        except queue.Empty:
            self._end()
            self._seconds = min(self._seconds, 5.0)  # the next may hang as well
            raise AssertionError(stopped(time.monotonic() - start)) from None
        except OSError:
            reply = None
        if not isinstance(reply, dict) or not set(reply) & {"value", "error", "ask"}:
            try:
                code = self._process.wait(timeout=1)
            except subprocess.TimeoutExpired:
                code = "none yet, but it sent what is no answer"
            last = self.said().strip().splitlines()[-1:] if code else []
            self._end()
            raise AssertionError(
                f"the process of the submission came to an end (code {code}): does it exit or crash?"
                + "".join(f"\n  {line[:300]}" for line in last)
            )
        return reply

    def _fail(self, reply):
        where = f" (line {reply['line']} of {self.path.name})" if reply.get("line") else ""
        if reply["error"] == "NotImplementedError" and not reply["text"]:  # as nbgrader leaves a cell to be written
            raise AssertionError(f"this is not written yet{where}")
        if reply["error"] in ("NotImplementedError", "AssertionError"):
            raise AssertionError(f"{reply['text']}{where if reply['error'] == 'AssertionError' else ''}")
        raise AssertionError(f"{reply['error']}: {reply['text']}{where}")

    def said(self):
        """The last of what was printed, for those who look for a fault of theirs."""
        if self._process is None:
            return ""
        self._printed.seek(0, os.SEEK_END)
        end = self._printed.tell()
        self._printed.seek(max(0, end - 2000))
        return self._printed.read().decode(errors="replace")


def _helped(helpers, reply):
    """The answer to a call of a function that the grader has taken over."""
    try:
        return helpers[reply["ask"]](*reply["arguments"])
    except Exception:
        return None


def _pump(stream, messages):
    """Hand on what arrives; None when there is an end."""
    with stream:
        while True:
            message = read(stream)
            messages.put(message)
            if message is None:
                return
