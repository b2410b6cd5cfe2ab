"""Checkpoints: whole or not there, without pickle, and every damage is noticed."""

from __future__ import annotations

import io
import json
import os
import pickle
import zipfile

import numpy as np
import pytest

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


def test_truncated_at_any_byte(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"a\.npz is truncated, damaged"):
            load_checkpoint(path)


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
