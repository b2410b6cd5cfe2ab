"""Files are whole or not there; what a killed writer left goes, what a living one writes stays."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from minigrad import files
from minigrad.files import regular, remove_stale, temporary_folder, write_atomically

WRITER = """
import sys, time
from pathlib import Path
from minigrad.files import temporary_folder, write_atomically
def write(stream):
    stream.write(b"half")
    stream.flush()
    print("writing", flush=True)
    time.sleep(600)
if sys.argv[2] == "file":
    write_atomically(sys.argv[1], write)
else:
    with temporary_folder(Path(sys.argv[1]).parent, ".a") as folder:
        (folder / "b").write_bytes(b"half")
        print("writing", flush=True)
        time.sleep(600)
"""


def writer(path, kind):
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), kind], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "writing\n"
    return child


def again(path, kind):
    if kind == "file":
        write_atomically(path, lambda stream: stream.write(b"whole"))
        return
    with temporary_folder(path.parent, ".a"):
        pass


locks = pytest.mark.skipif(files.fcntl is None, reason="this system has no locks that end with a process")


@locks
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_writer_left_is_removed_by_the_next_and_what_a_living_one_writes_is_not(tmp_path, kind):
    path = tmp_path / "a"
    child = writer(path, kind)
    (left,) = os.listdir(tmp_path)
    assert re.fullmatch(r"\.a\.[0-9a-f]{8}\.part", left)
    again(path, kind)
    remove_stale(tmp_path)
    assert left in os.listdir(tmp_path)  # it lives
    child.kill()
    assert child.wait(60) == -signal.SIGKILL
    child.stdout.close()
    assert left in os.listdir(tmp_path)  # the fault that is to be mended
    again(path, kind)
    assert os.listdir(tmp_path) == (["a"] if kind == "file" else [])


OTHERS = [".a.part", ".a.12345678.parts", "a.12345678.part", ".a.1234567.part", ".a.backup.part", ".ab.12345678.part",
          ".b.12345678.part"]  # fmt: skip


def test_only_what_bears_the_name_of_a_temporary_file_of_this_one_is_removed(tmp_path):
    for name in [*OTHERS, ".a.12345678.part"]:
        (tmp_path / name).write_bytes(b"")
    write_atomically(tmp_path / "a", lambda stream: stream.write(b"whole"))
    assert sorted(os.listdir(tmp_path)) == sorted([*OTHERS, "a"])
    remove_stale(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted([*OTHERS[:5], "a"])


@pytest.mark.parametrize("name", ["a[0-9].b", "a b.npz", "ä", "a.part", "."])
def test_a_name_is_no_pattern(tmp_path, name):
    name = name if name != "." else "..a"
    (tmp_path / f".{name}.12345678.part").write_bytes(b"")
    (tmp_path / ".a1xb.12345678.part").write_bytes(b"")
    write_atomically(tmp_path / name, lambda stream: stream.write(b"whole"))
    assert sorted(os.listdir(tmp_path)) == sorted([".a1xb.12345678.part", name])


def test_without_locks_what_is_a_day_old_is_stale(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_lock", lambda handle: None)
    for name, age in ((".a.00000000.part", 0), (".a.11111111.part", 2 * files.OLD)):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    write_atomically(tmp_path / "a", lambda stream: stream.write(b"whole"))
    assert sorted(os.listdir(tmp_path)) == [".a.00000000.part", "a"]


@locks
def test_a_link_or_a_pipe_under_such_a_name_harms_nothing(tmp_path):
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".a.00000000.part").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / ".a.11111111.part")
    remove_stale(tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"
    remove_stale(tmp_path / "no such folder")


@locks
def test_a_temporary_file_that_somebody_took_for_stale_before_it_was_locked_is_made_anew(tmp_path, monkeypatch):
    lock, calls = files._lock, []

    def taken(handle):
        calls.append(handle)
        if len(calls) == 1:  # between the file and its lock
            for name in os.listdir(tmp_path):
                os.unlink(tmp_path / name)
        return False if len(calls) == 2 else lock(handle)

    monkeypatch.setattr(files, "_lock", taken)
    write_atomically(tmp_path / "a", lambda stream: stream.write(b"whole"))
    assert len(calls) == 3 and (tmp_path / "a").read_bytes() == b"whole"


FULL = """
import resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from minigrad.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
write_atomically(sys.argv[1], lambda stream: stream.write(bytes(100_000)))
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system has no limit of file sizes")
def test_an_error_of_the_system_names_the_file_and_says_that_the_same_goes_on(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and last.startswith("OSError: [Errno 27] File too large: " + str(path))
    assert "start the same again: it goes on from what was kept" in last
    assert os.listdir(tmp_path) == ["a"] and path.read_text() == "old"


@pytest.mark.parametrize("where", ["fsync", "replace", "write"])
def test_no_space_left(tmp_path, monkeypatch, where):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if where != "write":
        monkeypatch.setattr(os, where, full)
    with pytest.raises(OSError, match=r"No space left on device: .*/a could not be written.*start the same again") as e:
        write_atomically(tmp_path / "a", full if where == "write" else lambda stream: stream.write(b"whole"))
    assert e.value.errno == errno.ENOSPC and e.value.filename == str(tmp_path / "a") and not os.listdir(tmp_path)


def test_a_folder_that_is_not_there_is_told_by_the_name_of_the_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/a could not be written"):
        write_atomically(tmp_path / "none" / "a", lambda stream: None)


def test_an_error_about_another_file_stays_what_it_is(tmp_path):
    def write(stream):
        (tmp_path / "font").read_text()

    with pytest.raises(FileNotFoundError) as caught:
        write_atomically(tmp_path / "a", write)
    assert caught.value.filename == str(tmp_path / "font") and "start the same" not in str(caught.value)


@locks
def test_only_files_are_regular(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    regular(tmp_path / "file")
    regular(tmp_path / "link")
    for name, what in (("pipe", "a named pipe"), ("", "a folder"), (os.devnull, "a device")):
        with pytest.raises(ValueError, match=what):
            regular(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        regular(tmp_path / "none")
