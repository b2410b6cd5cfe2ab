"""The data sets without a network: arrays, names, finding, checking, parsing."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_datasets_dataset import toy

from minigrad import datasets
from minigrad.datasets import DataError, images, places
from minigrad.datasets.datafile import DataFile
from minigrad.datasets.idx import parse_idx
from minigrad.datasets.verify import verified_content

CONTENT = bytes(range(200)) * 5


def spec(content: bytes = CONTENT, name: str = "part.gz") -> DataFile:
    digest = hashlib.sha256(content).hexdigest()
    return DataFile("toy", name, f"http://127.0.0.1:9/{name}", digest, len(content), ("toy-set", "toy_set"))


def idx(array: np.ndarray) -> bytes:
    axes = b"".join(n.to_bytes(4, "big") for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + axes + array.tobytes()


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """Places that hold nothing, whatever this computer has."""
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "system")
    monkeypatch.setattr(places, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


# The bundled digits


def test_digits_are_the_published_ones():
    archive = Path(datasets.__file__).parents[1] / "data" / "digits.npz"
    with np.load(archive, allow_pickle=False) as arrays:
        raw = arrays["images"].tobytes() + arrays["labels"].tobytes()
    expected = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
    assert hashlib.sha256(raw).hexdigest() == expected


def test_digits_split_is_fixed_and_balanced():
    data = datasets.digits()
    assert data.x_train.min() == 0 and data.x_train.max() == 1
    pixels = data.x_test * 16
    assert np.array_equal(pixels, np.round(pixels))
    both = np.bincount(data.y_train) + np.bincount(data.y_test)
    assert both.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.array_equal(np.bincount(data.y_test), both // 5)


def test_each_call_gives_arrays_of_its_own():
    first = datasets.digits()
    first.x_train[:] = 7
    assert datasets.digits().x_train.max() == 1


# Names


def test_load_takes_any_spelling_and_suggests_the_nearest():
    assert datasets.load("Digits").name == "digits"
    assert set(datasets.describe()) == set(datasets.names()) >= {"digits", "mnist", "fashion_mnist"}
    with pytest.raises(ValueError, match="did you mean 'digits'"):
        datasets.load("digit")
    with pytest.raises(ValueError, match="Known: .*digits"):
        datasets.load("zzzzzz")
    with pytest.raises(TypeError, match="is a str, not int"):
        datasets.load(3)


@pytest.mark.usefixtures("names_are_forgotten")
def test_a_new_data_set_is_one_decorated_function():
    @datasets.register("my_toy", "a toy")
    def my_toy():
        return toy()

    assert datasets.load("my-toy").name == "toy"
    assert datasets.describe()["my_toy"] == "a toy" and "my_toy" in datasets.names()
    with pytest.raises(ValueError, match="registered already"):
        datasets.register("my_toy", "again")(my_toy)
    with pytest.raises(TypeError, match=r"decorator.*got a function, so nothing was registered.*@datasets\.register"):
        datasets.register(my_toy)  # as from @register without brackets


# Finding


@pytest.mark.parametrize("name", ["part.gz", "part"])
@pytest.mark.parametrize(
    "place", ["data/toy-set", "data/toy_set", "data", "system/toy-set", "system/toy_set", "cache/toy-set"]
)
def test_find_looks_everywhere(nowhere, monkeypatch, place, name):
    monkeypatch.setenv(places.VARIABLE, str(nowhere / "data"))
    assert places.find(spec()) is None
    (nowhere / place).mkdir(parents=True)
    (nowhere / place / name).write_bytes(b"")
    assert places.find(spec()) == nowhere / place / name


def test_find_goes_in_order(nowhere, monkeypatch):
    monkeypatch.setenv(places.VARIABLE, str(nowhere / "data"))
    order = ("data/toy-set", "data/toy_set", "data", "system/toy-set", "system/toy_set", "cache/toy-set")
    for place in reversed(order):
        (nowhere / place).mkdir(parents=True, exist_ok=True)
        (nowhere / place / "part.gz").write_bytes(b"")
        assert places.find(spec()) == nowhere / place / "part.gz"


def test_the_home_sign_in_the_variable_is_understood(nowhere, monkeypatch):
    monkeypatch.setenv("HOME", str(nowhere))
    monkeypatch.setenv("USERPROFILE", str(nowhere))
    monkeypatch.setenv(places.VARIABLE, "~")
    (nowhere / "part").write_bytes(b"")
    assert places.find(spec()) == nowhere / "part"


def test_the_cache_is_poochs_or_follows_xdg(monkeypatch, tmp_path):
    pooch = pytest.importorskip("pooch")
    assert places.cache_folder() == Path(pooch.os_cache("minigrad"))
    monkeypatch.setitem(sys.modules, "pooch", None)  # as if not installed
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert places.cache_folder() == tmp_path / "minigrad"
    for useless in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        assert places.cache_folder() == Path.home() / ".cache" / "minigrad"


# Checking


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["part.gz", "part"])
def test_content_is_checked_under_either_name_packed_or_not(tmp_path, name, packed):
    path = tmp_path / name
    path.write_bytes(gzip.compress(CONTENT) if packed else CONTENT)
    assert verified_content(path, spec()) == CONTENT


PACKED = gzip.compress(CONTENT)
FLIPPED = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (FLIPPED, "expected SHA-256 [0-9a-f]{64}, found [0-9a-f]{64}"),
        (gzip.compress(FLIPPED), "expected SHA-256"),
        (CONTENT[:-1], "expected 1,000 bytes of content, found 999"),
        (CONTENT + b"\0", "expected 1,000 bytes of content, found more"),
        (gzip.compress(CONTENT * 1000), "expected 1,000 bytes of content, found more"),
        (PACKED[: len(PACKED) // 2], "the gzip stream breaks off"),
        (PACKED[:-1], "the gzip stream breaks off"),
        (PACKED[:5], "found 0 .the gzip stream breaks off"),
        (PACKED[:-8] + b"\0" * 8, "CRC"),
        (PACKED[:12] + b"\xff" * 20 + PACKED[32:], "reading failed"),
        (PACKED + b"rubbish", "reading failed"),
        (b"<html>please log in</html>", "found 26"),
        (b"", "found 0"),
    ],
)
def test_damaged_files_are_refused_by_name_with_a_remedy(tmp_path, stored, says):
    path = tmp_path / "toy-set" / "part.gz"
    path.parent.mkdir()
    path.write_bytes(stored)
    with pytest.raises(DataError, match=says) as caught:
        verified_content(path, spec())
    message = str(caught.value)
    assert str(path) in message and "Delete it" in message and spec().url in message
    assert "another data set" not in message


def test_a_file_that_breaks_off_is_counted_as_far_as_it_goes(tmp_path):
    content = np.random.default_rng(0).bytes(100_000)  # does not compress: half the file, half the content
    packed, path = gzip.compress(content), tmp_path / "part.gz"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError) as caught:
        verified_content(path, spec(content))
    found = int(str(caught.value).split("found ")[1].split(" ")[0].replace(",", ""))
    assert 40_000 < found <= 50_000


def test_a_namesake_of_another_data_set_is_not_condemned(tmp_path):
    path = tmp_path / "part.gz"
    path.write_bytes(FLIPPED)
    with pytest.raises(DataError, match=r"belongs to another data set.*subfolder 'toy-set'"):
        verified_content(path, spec())


# Parsing


def test_parse_idx():
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    assert np.array_equal(parse_idx(idx(array)), array)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "begins with nothing"),
        (b"\0\0\x0d\x01" + b"\0\0\0\1" + b"\0\0\0\0", "begins with 00 00 0d 01"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"promises 6 values, shape \(2, 3\), but 5 follow"),
        (idx(np.zeros((2, 3), np.uint8)) + b"\0", "but 7 follow"),
        (idx(np.zeros((2, 3), np.uint8))[:6], "but 0 follow"),
    ],
)
def test_parse_idx_refuses(content, says):
    with pytest.raises(DataError, match=says):
        parse_idx(content, "labels.gz")


# MNIST and its relatives


def small_mnist(folder: Path) -> tuple[dict[str, DataFile], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (5, 28, 28), np.uint8),
        "y_train": rng.integers(0, 10, 5, np.uint8),
        "x_test": rng.integers(0, 256, (3, 28, 28), np.uint8),
        "y_test": rng.integers(0, 10, 3, np.uint8),
    }
    folder.mkdir(parents=True)
    files = {part: spec(idx(array), f"{part}.gz") for part, array in arrays.items()}
    for part, array in arrays.items():
        (folder / f"{part}.gz").write_bytes(gzip.compress(idx(array)))
    return files, arrays


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_data_sets_become_scaled_images(nowhere, monkeypatch, name):
    monkeypatch.setenv(places.VARIABLE, str(nowhere / "data"))
    files, arrays = small_mnist(nowhere / "data" / "toy-set")
    monkeypatch.setattr(images, name.upper(), files)
    data = datasets.load(name)
    assert data.x_train.dtype == np.float32 and data.x_train.shape == (5, 28, 28, 1)
    assert np.array_equal(data.x_test, arrays["x_test"][..., None].astype(np.float32) / np.float32(255))
    assert data.y_train.dtype == np.int64 and np.array_equal(data.y_train, arrays["y_train"])
    assert data.num_classes == 10 and data.source and data.licence


def test_labels_in_the_place_of_images_are_refused(nowhere, monkeypatch):
    monkeypatch.setenv(places.VARIABLE, str(nowhere / "data"))
    files, _ = small_mnist(nowhere / "data" / "toy-set")
    monkeypatch.setattr(images, "MNIST", {**files, "x_test": files["y_test"]})
    with pytest.raises(DataError, match="expected 3 axes, found shape"):
        datasets.mnist()


def test_the_published_specs_are_well_formed():
    for files, folder in ((images.MNIST, "mnist"), (images.FASHION_MNIST, "fashion-mnist")):
        assert set(files) == {"x_train", "y_train", "x_test", "y_test"}
        assert len({file.sha256 for file in files.values()}) == 4
        for file in files.values():
            assert len(bytes.fromhex(file.sha256)) == 32
            assert file.url.endswith("/" + file.name) and file.folders[0] == folder
    assert [file.size for file in images.MNIST.values()] == [47_040_016, 60_008, 7_840_016, 10_008]


@pytest.mark.skipif(
    not os.environ.get(places.VARIABLE) or not all(map(places.find, images.FASHION_MNIST.values())),
    reason="needs Fashion-MNIST in $MINIGRAD_DATA",
)
def test_the_real_fashion_mnist():
    data = datasets.fashion_mnist()
    assert data.x_train.shape == (60_000, 28, 28, 1) and data.x_test.shape == (10_000, 28, 28, 1)
    assert np.bincount(data.y_train).tolist() == [6000] * 10
    assert np.bincount(data.y_test).tolist() == [1000] * 10
    assert data.x_train.min() == 0 and data.x_train.max() == 1


def test_importing_and_the_bundled_data_need_no_pooch():
    code = (
        "import sys; from minigrad import datasets; datasets.digits(); datasets.describe(); "
        "print(sorted({'pooch', 'requests', 'sklearn'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("part", ["train-images.idx3-ubyte", "train-images.idx3-ubyte.gz", "train-images-idx3-ubyte"])
def test_names_with_dots_as_mirrors_have_them_are_found(tmp_path, monkeypatch, part):
    from minigrad.datasets.images import FASHION_MNIST, MNIST
    from minigrad.datasets.places import find

    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    (tmp_path / "fashion-mnist").mkdir()
    (tmp_path / "fashion-mnist" / part).write_bytes(b"")
    assert find(FASHION_MNIST["x_train"]) == tmp_path / "fashion-mnist" / part
    assert "t10k-labels.idx1-ubyte" in MNIST["y_test"].names
