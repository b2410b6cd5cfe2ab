"""Checkpoints: whole or not there, without pickle, and every damage is noticed."""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import subprocess
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest

from minigrad import nn, optim, training
from minigrad.files import write_atomically
from minigrad.training import CheckpointError, load_checkpoint, save_checkpoint

ARRAYS = {
    "model/0.w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "model/0.b": np.array([0.5, -0.0, np.nan]),
    "optimizer/steps": np.array(7),
    "empty": np.zeros((0, 3), np.float32),
    "view": np.arange(12.0).reshape(3, 4).T[1:],
}


@pytest.fixture
def path(tmp_path):
    save_checkpoint(tmp_path / "a.npz", ARRAYS, {"epoch": 3, "seed": 2**63 + 1})
    return tmp_path / "a.npz"


def same(one, other):
    return one.keys() == other.keys() and all(
        one[k].dtype == other[k].dtype and one[k].shape == other[k].shape and one[k].tobytes() == other[k].tobytes()
        for k in one
    )


def test_a_round_trip_keeps_every_bit(path):
    arrays, meta = load_checkpoint(path)
    assert same(arrays, ARRAYS)
    assert meta["epoch"] == 3 and meta["seed"] == 2**63 + 1


def test_numpy_can_read_the_file_without_pickle(path):
    with np.load(path, allow_pickle=False) as archive:
        assert np.array_equal(archive["model/0.w"], ARRAYS["model/0.w"])


def test_the_metadata_may_use_any_key(tmp_path):
    meta = {"format": 99, "arrays": [], "meta": None}
    save_checkpoint(tmp_path / "b.npz", {}, meta)
    assert load_checkpoint(tmp_path / "b.npz") == ({}, meta)


def test_a_file_gets_the_permissions_of_any_new_file(path, tmp_path):
    (tmp_path / "plain").write_text("")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.slow
def test_truncated_at_any_byte(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"a\.npz is truncated, damaged"):
            load_checkpoint(path)


@pytest.mark.slow
def test_any_flipped_bit_is_refused_or_changes_nothing(tmp_path):
    # A bit of a time stamp may be flipped without harm; one of the content may not.
    path = tmp_path / "a.npz"
    small = {"w": np.arange(4, dtype=np.float32)}
    save_checkpoint(path, small, {"epoch": 3})
    whole = path.read_bytes()
    reference = load_checkpoint(path)
    refused = 0
    for place in range(len(whole)):
        for bit in (0, 3, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(bytes(damaged))
            try:
                arrays, meta = load_checkpoint(path)
            except CheckpointError as error:
                refused += 1
                assert str(path) in str(error)
            else:
                assert same(arrays, reference[0]) and meta == reference[1], (place, bit)
    assert refused > len(whole)  # more than a third of the bits that were tried


def test_a_flipped_bit_in_array_data_is_refused(path):
    whole = path.read_bytes()
    start = whole.index(ARRAYS["model/0.w"].tobytes())
    for place in range(start, start + 24):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(bytes(damaged))
            with pytest.raises(CheckpointError, match="CRC"):
                load_checkpoint(path)


def foreign_zip(**parts):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name.replace("_", "."), content)
    return out.getvalue()


def object_array():
    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        pickle.dumps({"w": 1}),
        foreign_zip(readme_txt="hello"),
        foreign_zip(meta_json="[1, 2]"),
        foreign_zip(meta_json="{"),
        foreign_zip(meta_json='{"format": 2}'),
        foreign_zip(meta_json='{"format": 1}', w_npy="not an array"),
        foreign_zip(meta_json='{"format": 1}', w_npy=object_array()),
        foreign_zip(meta_json='{"format": 1}', w_npy=b"\x93NUMPY\x01\x00\xff\xff"),
    ],
)
def test_a_foreign_file_is_refused_by_name(tmp_path, content):
    (tmp_path / "foreign.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"foreign\.npz"):
        load_checkpoint(tmp_path / "foreign.npz")


def test_a_compressed_or_encrypted_part_is_refused(path):
    whole = path.read_bytes()
    entry = whole.index(b"PK\x01\x02")
    for offset, value in ((8, 1), (10, 99)):  # the encryption flag, an unknown compression
        damaged = bytearray(whole)
        damaged[entry + offset] = value
        path.write_bytes(bytes(damaged))
        with pytest.raises(CheckpointError, match=r"a\.npz"):
            load_checkpoint(path)


def test_no_pickle_is_ever_written(tmp_path):
    with pytest.raises(TypeError, match="'w' has dtype object"):
        save_checkpoint(tmp_path / "b.npz", {"w": np.array([None])}, {})
    with pytest.raises(TypeError):
        save_checkpoint(tmp_path / "b.npz", {}, {"a": {1, 2}})
    with pytest.raises(ValueError):
        save_checkpoint(tmp_path / "b.npz", {}, {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_missing_file_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_checkpoint(tmp_path / "none.npz")
    with pytest.raises(CheckpointError, match=tmp_path.name):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, SystemExit])
def test_a_write_that_fails_leaves_the_old_content_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    path.write_text("old")

    def write(stream):
        stream.write(b"half")
        raise error

    with pytest.raises(error):
        write_atomically(path, write)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_content_is_on_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("sync"), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "a", lambda stream: stream.write(json.dumps(1).encode()))
    assert calls == ["sync", "replace"]


LOADERS = {
    "load_checkpoint": lambda path: load_checkpoint(path),
    "fit": lambda path: fit(path),
}


def fit(path, hidden=4):
    x, y = np.ones((8, 3), np.float32), np.zeros(8, int)
    model = nn.mlp((3, hidden, 2), rng=0)
    return training.fit(
        model, (x, y), optimizer=optim.SGD(model, lr=0.1), epochs=1, batch_size=4, rng=0, checkpoint=path
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("kind, words", [("pipe", "a named pipe"), ("zero", "a device"), ("folder", "a folder")])
def test_what_is_no_file_is_refused_before_it_is_opened(tmp_path, load, kind, words):
    path = tmp_path / "a.npz"
    if kind == "pipe":
        os.mkfifo(path)  # whoever opens it waits for a writer for ever
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    with pytest.raises(CheckpointError, match=rf"a\.npz is .* it is {words}, not a regular file"):
        LOADERS[load](path)


def archive_of(path, compression, *parts):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in parts:
            archive.writestr(name, content)


def header_only(shape):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return out.getvalue()


def meta_of(*names):
    return "meta.json", json.dumps({"format": 1, "arrays": list(names), "meta": {}})


LARGE = {
    # what would take far more memory than the file: (compression, parts, words)
    "an array": (zipfile.ZIP_DEFLATED, lambda: [meta_of("w"), ("w.npy", header_only((10**7,)) + bytes(8 * 10**7))],
                 "compressed"),
    "a table": (zipfile.ZIP_DEFLATED, lambda: [("meta.json", b" " * 10**8)], "compressed"),
    "a header that promises more": (zipfile.ZIP_STORED, lambda: [meta_of("w"), ("w.npy", header_only((10**12,)))],
                                    "another length"),
    "a header that promises less": (zipfile.ZIP_STORED, lambda: [meta_of("w"), ("w.npy", header_only((1,)) + b"0" * 9)],
                                    "another length"),
}  # fmt: skip


@pytest.mark.parametrize("case", LARGE)
def test_what_would_unpack_to_more_than_the_file_is_refused_unread(tmp_path, case):
    compression, parts, words = LARGE[case]
    path = tmp_path / "a.npz"
    archive_of(path, compression, *parts())
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=rf"a\.npz is truncated, damaged or not a checkpoint .*{words}"):
            load_checkpoint(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_parts_that_overlap_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    save_checkpoint(path, {"v": np.ones(1000), "w": np.ones(1000)}, {})
    whole = bytearray(path.read_bytes())
    first, second = (whole.index(name, whole.index(b"PK\x01\x02")) for name in (b"v.npy", b"w.npy"))
    whole[second : second + 1] = b"v"
    path.write_bytes(bytes(whole))
    with pytest.raises(CheckpointError, match="overlap"):
        load_checkpoint(path)
    assert first < second


def test_a_large_checkpoint_of_another_run_is_refused_before_its_arrays_are_read(tmp_path):
    path = tmp_path / "a.npz"
    fit(path, hidden=400_000)  # 8 MB
    assert path.stat().st_size > 8_000_000
    tracemalloc.start()
    try:
        with pytest.raises(training.OtherRunError, match="out_features: the checkpoint has 400000, this run 4"):
            fit(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_shapes_are_compared_before_arrays_are_read(tmp_path):
    path = tmp_path / "a.npz"
    save_checkpoint(path, {"w": np.ones((2, 3), np.float32)}, {"epoch": 1})

    def check(headers, meta):
        assert headers == {"w": ((2, 3), np.dtype(np.float32))} and meta == {"epoch": 1}
        raise RuntimeError("another")

    with pytest.raises(RuntimeError, match="another"):
        load_checkpoint(path, check)


def test_the_arrays_of_another_model_are_named(tmp_path):
    path = tmp_path / "a.npz"
    fit(path)
    arrays, meta = load_checkpoint(path)
    arrays["model/0.weight"] = np.ones((9, 9))
    save_checkpoint(path, arrays, meta)
    words = r"model/0.weight: the checkpoint has 'shape \(9, 9\) and dtype float64', this run 'shape \(4, 3\) and"
    with pytest.raises(training.OtherRunError, match=words):
        fit(path)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="this system has no limit of file sizes")
def test_training_on_a_full_disk_names_the_checkpoint_and_goes_on_when_there_is_room(tmp_path):
    path = tmp_path / "a.npz"
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
        "from test_training_checkpoint import fit\n"
        "if sys.argv[2] == 'full': resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "print(fit(sys.argv[1], hidden=1000).last.loss)"
    )
    runs = [
        subprocess.run([sys.executable, "-c", code, str(path), how], capture_output=True, text=True, check=False)
        for how in ("full", "room")
    ]
    last = runs[0].stderr.splitlines()[-1]
    assert last.startswith(f"OSError: [Errno 27] File too large: {path} could not") and "start the same again" in last
    assert runs[1].returncode == 0 and float(runs[1].stdout) == fit(None, hidden=1000).last.loss
    assert os.listdir(tmp_path) == ["a.npz"]
