"""CIFAR-10 without a network: archives, batches, records, and parts of it."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from minigrad import datasets
from minigrad.datasets import DataError, cifar, places
from minigrad.datasets.archive import verified_archive, verified_members
from minigrad.datasets.datafile import DataFile
from minigrad.datasets.records import RECORD, parse_records

FOLDER = "cifar-10-batches-bin"
NAMES = tuple(file.name for file in cifar.BATCHES)
META = ("\n".join(cifar._CLASSES) + "\n\n").encode()


def records(count: int, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 256, (count, RECORD), np.uint8)
    rows[:, 0] = rng.integers(0, 10, count)
    return rows.tobytes()


CONTENTS = {name: records(3 + number, number) for number, name in enumerate(NAMES)}


def packed(members: dict[str, bytes], level: int = 9) -> bytes:
    """A .tar.gz of files, given by their full paths."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz", compresslevel=level) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def official(contents: dict[str, bytes] = CONTENTS) -> dict[str, bytes]:
    """What is in the archive, in an order of its own as in the official one."""
    paths = {f"{FOLDER}/{name}": contents[name] for name in reversed(contents)}
    return {f"{FOLDER}/batches.meta.txt": META, **paths, f"{FOLDER}/readme.html": b"read me"}


ARCHIVE = packed(official())


def use_small(monkeypatch, port: int = 9) -> None:
    """Stand-ins for the published files, with their sums, under an address of this computer."""
    url = f"http://127.0.0.1:{port}/{cifar.ARCHIVE.name}"

    def stand_in(file: DataFile, content: bytes) -> DataFile:
        digest = hashlib.sha256(content).hexdigest()
        return dataclasses.replace(file, url=url, sha256=digest, size=len(content))

    monkeypatch.setattr(cifar, "ARCHIVE", stand_in(cifar.ARCHIVE, ARCHIVE))
    monkeypatch.setattr(cifar, "BATCHES", tuple(stand_in(file, CONTENTS[file.name]) for file in cifar.BATCHES))


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty $MINIGRAD_DATA, no other place with files, the small stand-ins, and no way to download."""
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "data"))
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "system")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")

    def no_download(*args, **kwargs):
        raise AssertionError("it began to download")

    monkeypatch.setattr(cifar, "download", no_download)
    use_small(monkeypatch)
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def put(folder: Path, contents: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


# Records


def test_records_are_planes_of_red_green_and_blue():
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (5, 32, 32, 3), np.uint8), rng.integers(0, 10, 5)
    content = b""
    for image, label in zip(pixels, labels, strict=True):
        content += bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))
    images, found = parse_records(content)
    assert np.array_equal(images, pixels) and np.array_equal(found, labels) and found.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "batch.bin is empty or cut short: it has 0 whole records of 3,073 bytes and 0 bytes more"),
        (records(2, 0)[:-1], "1 whole records of 3,073 bytes and 3,072 bytes more"),
        (records(2, 0) + b"\0", "2 whole records of 3,073 bytes and 1 bytes more"),
        (records(2, 0) + b"\x0a" + bytes(RECORD - 1), "record 2 has the label 10, and labels lie in 0 … 9"),
    ],
)
def test_bad_records_are_refused_by_name(content, says):
    with pytest.raises(DataError, match=says) as caught:
        parse_records(content, "batch.bin")
    assert "batch.bin" in str(caught.value)


# Finding and loading


def check(data) -> None:
    pixels = np.concatenate([parse_records(CONTENTS[name])[0] for name in NAMES[:-1]])
    labels = np.concatenate([parse_records(CONTENTS[name])[1] for name in NAMES[:-1]])
    assert np.array_equal(data.x_train, pixels.astype(np.float32) / np.float32(255))
    assert np.array_equal(data.y_train, labels)
    assert np.array_equal(data.x_test, parse_records(CONTENTS[NAMES[-1]])[0].astype(np.float32) / np.float32(255))
    assert data.x_train.dtype == np.float32 and data.x_train.flags.c_contiguous and data.x_train.flags.writeable
    assert data.name == "cifar10" and data.classes[3] == "cat" and data.num_classes == 10


@pytest.mark.parametrize("place", ["data/cifar10", f"data/{FOLDER}", "data", "system/cifar10", "cache/cifar10"])
@pytest.mark.parametrize("form", ["archive", "tar", "batches"])
def test_it_is_found_as_archive_or_as_batches(home, place, form):
    files = {
        "archive": {cifar.ARCHIVE.name: ARCHIVE},
        "tar": {"cifar-10-binary.tar": gzip.decompress(ARCHIVE)},
        "batches": CONTENTS,
    }[form]
    put(home.parent / place, files)
    check(datasets.load("CIFAR10"))


def test_an_archive_unpacked_in_the_folder_that_messages_name_is_found(home):
    put(home / "cifar10" / FOLDER, CONTENTS)
    check(datasets.cifar10())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["truncated", "by a record", "tampered", "too long", "empty"])
def test_a_damaged_batch_is_refused_by_name(home, name, fault):
    good = CONTENTS[name]
    bad = {
        "truncated": good[:-1],
        "by a record": good[:-RECORD],
        "tampered": good[:-1] + bytes([good[-1] ^ 1]),
        "too long": good + good[:RECORD],
        "empty": b"",
    }[fault]
    folder = put(home / FOLDER, {**CONTENTS, name: bad})
    with pytest.raises(DataError) as caught:
        datasets.cifar10()
    assert str(caught.value).startswith(f"{folder / name} is not {name} of cifar10, or it is damaged: expected ")
    assert "cifar10_subset" in str(caught.value)
    put(folder, {})
    (folder / name).unlink()
    put(home, {cifar.ARCHIVE.name: packed(official({**CONTENTS, name: bad}))})
    with pytest.raises(DataError, match=f"^{FOLDER}/{name} in .*{cifar.ARCHIVE.name} is not {name} of cifar10"):
        datasets.cifar10()


def test_a_part_is_refused_and_what_is_missing_is_named(home):
    put(home / FOLDER, {name: CONTENTS[name] for name in ("data_batch_2.bin", "data_batch_4.bin", "test_batch.bin")})
    with pytest.raises(DataError) as caught:
        datasets.cifar10()
    assert f"{home / FOLDER} has a part of CIFAR-10 only" in str(caught.value)
    assert "data_batch_1.bin, data_batch_3.bin, data_batch_5.bin missing" in str(caught.value)
    assert "load 'cifar10_subset'" in str(caught.value)


def test_a_part_does_not_hide_the_whole(home):
    put(home / FOLDER, {"data_batch_1.bin": b"", "test_batch.bin": b""})
    put(home.parent / "cache" / "cifar10", {cifar.ARCHIVE.name: ARCHIVE})
    check(datasets.cifar10())


# Archives


def test_members_are_read_from_where_they_should_be_and_nothing_is_written(home, tmp_path):
    evil = {f"../{name}": content for name, content in CONTENTS.items()}
    evil |= {f"/{FOLDER}/{name}": content for name, content in CONTENTS.items()}
    evil |= {f"{FOLDER}/../{FOLDER}/{name}": content for name, content in CONTENTS.items()}
    put(home, {cifar.ARCHIVE.name: packed(evil)})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as caught:
        datasets.cifar10()
    assert all(f"{FOLDER}/{name}" in str(caught.value).split("it lacks")[1] for name in NAMES)
    put(home, {cifar.ARCHIVE.name: packed({**evil, **official()})})
    check(datasets.cifar10())
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_only_regular_files_count_as_members(home, tmp_path, kind):
    put(home, {"elsewhere.bin": CONTENTS["data_batch_1.bin"]})
    path = home / cifar.ARCHIVE.name
    with tarfile.open(path, "w:gz") as archive:
        for name, content in {**official(), "elsewhere.bin": CONTENTS["data_batch_1.bin"]}.items():
            member = tarfile.TarInfo(name)
            if name == f"{FOLDER}/data_batch_1.bin":
                member.type, member.linkname = kind, "../elsewhere.bin"
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    with pytest.raises(DataError, match=f"it lacks {FOLDER}/data_batch_1.bin"):
        datasets.cifar10()


def test_a_leading_dot_is_no_other_place(home):
    put(home, {cifar.ARCHIVE.name: packed({f"./{name}": content for name, content in official().items()})})
    check(datasets.cifar10())


def test_an_archive_that_breaks_off_is_refused_by_name_wherever_it_breaks(home):
    plain = gzip.decompress(ARCHIVE)
    end = plain.index(b"readme.html")  # before it, every byte matters
    for stored in [ARCHIVE[:cut] for cut in range(0, len(ARCHIVE) - 3000, 997)] + [
        plain[:cut] for cut in range(0, end, 4999)
    ]:
        put(home, {cifar.ARCHIVE.name: stored})
        with pytest.raises(DataError) as caught:
            datasets.cifar10()
        assert str(home / cifar.ARCHIVE.name) in str(caught.value)


@pytest.mark.parametrize("stored", [b"<html>please log in</html>", ARCHIVE[:40] + b"\xff" * 40 + ARCHIVE[80:]])
def test_what_is_no_archive_is_refused(home, stored):
    put(home, {cifar.ARCHIVE.name: stored})
    with pytest.raises(DataError, match=r"is not the archive that it should be.*Reading it broke off: .*Delete it"):
        datasets.cifar10()


def test_the_sum_of_the_archive_or_those_of_its_members_settle_it(home):
    spec, members = cifar.ARCHIVE, cifar.BATCHES
    path = put(home, {spec.name: ARCHIVE}) / spec.name
    verified_archive(path, spec, members, FOLDER)
    path.write_bytes(packed(official(), level=1))  # another gzip layer
    verified_archive(path, spec, members, FOLDER)
    path.write_bytes(packed(official({**CONTENTS, "test_batch.bin": records(8, 99)})))
    with pytest.raises(DataError, match=rf"test_batch\.bin in the answer.*SHA-256 should be {spec.sha256}.*Try again"):
        verified_archive(path, spec, members, FOLDER, label="the answer", remedy="Try again.")


def test_a_member_is_never_read_beyond_its_size(home):
    bomb = packed(official({**CONTENTS, "data_batch_1.bin": bytes(50_000_000)}), level=1)
    path = put(home, {cifar.ARCHIVE.name: bomb}) / cifar.ARCHIVE.name
    with pytest.raises(DataError, match="expected 9,219 bytes of content, found more"):
        list(verified_members(path, cifar.BATCHES, FOLDER))


# A part of it, by its own name


def test_a_part_is_loaded_by_its_own_name_only(home):
    sizes = {"data_batch_2.bin": 7, "data_batch_5.bin": 4, "test_batch.bin": 2}
    contents = {name: records(size, size) for name, size in sizes.items()}
    put(home / FOLDER, {**contents, "batches.meta.txt": META})
    data = datasets.load("cifar10-subset")
    assert repr(data) == "Dataset('cifar10_subset': 11 for training, 2 for testing, input (32, 32, 3), 10 classes)"
    joined, labels = parse_records(contents["data_batch_2.bin"] + contents["data_batch_5.bin"])
    assert np.array_equal(data.x_train, joined.astype(np.float32) / np.float32(255))
    assert np.array_equal(data.y_train, labels) and "not verified" in data.source
    with pytest.raises(DataError, match="a part of CIFAR-10 only"):
        datasets.cifar10()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data_batch_1.bin": records(3, 0)[:-5]}, r"data_batch_1\.bin is empty or cut short: it has 2 whole records"),
        ({"test_batch.bin": b""}, r"test_batch\.bin is empty or cut short"),
        ({"test_batch.bin": b"\x0b" + bytes(RECORD - 1)}, r"test_batch\.bin is not a batch.*label 11"),
        ({"data_batch_1.bin": bytes(RECORD * 10_001)}, r"data_batch_1\.bin is not a batch.*more than 10,000 records"),
        ({"batches.meta.txt": META.replace(b"cat", b"lynx")}, r"batches\.meta\.txt is not that of CIFAR-10.*lynx"),
        ({"batches.meta.txt": b""}, r"batches\.meta\.txt is not that of CIFAR-10.*found nothing"),
    ],
)
def test_a_malformed_part_is_refused_by_name(home, changes, says):
    put(home, {"data_batch_1.bin": records(3, 0), "test_batch.bin": records(2, 1), **changes})
    with pytest.raises(DataError, match=says):
        datasets.cifar10_subset()


def test_where_there_is_no_part_the_places_and_the_other_way_are_named(home):
    put(home, {"data_batch_1.bin": records(3, 0)})  # without a test batch
    put(home / "cifar10", {cifar.ARCHIVE.name: ARCHIVE})  # the whole, which is not a part
    with pytest.raises(DataError) as caught:
        datasets.cifar10_subset()
    for part in (str(home / FOLDER), "test_batch.bin", places.VARIABLE, "datasets.cifar10().subset("):
        assert part in str(caught.value)


# What is published


def test_the_published_specs_are_well_formed():
    assert NAMES[:-1] == tuple(f"data_batch_{number}.bin" for number in range(1, 6)) and NAMES[-1] == "test_batch.bin"
    assert all(file.size == 30_730_000 and len(bytes.fromhex(file.sha256)) == 32 for file in cifar.BATCHES)
    assert len({file.sha256 for file in (*cifar.BATCHES, cifar.ARCHIVE)}) == 7
    assert cifar.ARCHIVE.url.endswith("/" + cifar.ARCHIVE.name)


@pytest.mark.skipif(
    not any((place / "data_batch_1.bin").is_file() for place in places.places(cifar.ARCHIVE))
    or not os.environ.get(places.VARIABLE),
    reason="needs batches of CIFAR-10 in $MINIGRAD_DATA",
)
def test_real_images_have_the_means_of_photographs():
    data = datasets.cifar10_subset()
    # The means of CIFAR-10's channels are 0.491, 0.482 and 0.447; a wrong order of the planes would show.
    np.testing.assert_allclose(data.x_train.mean((0, 1, 2), dtype=np.float64), [0.491, 0.482, 0.447], atol=0.01)
    # Neighbouring pixels of a photograph are alike, along both axes: rows and columns are where they should be.
    for axis in (1, 2):
        assert np.abs(np.diff(data.x_test, axis=axis)).mean() < 0.08
