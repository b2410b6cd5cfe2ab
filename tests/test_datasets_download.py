"""Downloads, from a small server on this computer that can misbehave."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import socket
import sys
import threading

import numpy as np
import pytest
from test_datasets_cifar import ARCHIVE, CONTENTS, FOLDER, NAMES, check, official, packed, records, use_small

from minigrad import datasets
from minigrad.datasets import DataError, cifar, images, places
from minigrad.datasets import download as download_module
from minigrad.datasets.datafile import DataFile
from minigrad.datasets.download import download
from minigrad.datasets.verify import verified_content

pytest.importorskip("pooch")

# Pixels that do not compress, so that half of the compressed bytes is a good part of the content.
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
CONTENT = b"\0\0\x08\x03" + b"".join(n.to_bytes(4, "big") for n in PIXELS.shape) + PIXELS.tobytes()
PACKED = gzip.compress(CONTENT)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request as the server's ``reply`` says: status, headers and body."""

    def do_GET(self):
        self.server.requests.append(self.path)
        status, headers, body = self.server.reply(self.path)
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.requests = []
        server.reply = lambda path: (200, {}, PACKED)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, no other place, and no proxy between us and the server."""
    monkeypatch.delenv(places.VARIABLE, raising=False)
    monkeypatch.setattr(places, "SYSTEM", tmp_path / "system")
    for module in (places, download_module):
        monkeypatch.setattr(module, "cache_folder", lambda: tmp_path / "cache")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"


def spec(port: int, content: bytes = CONTENT, name: str = "part.gz") -> DataFile:
    digest = hashlib.sha256(content).hexdigest()
    return DataFile("toy", name, f"http://127.0.0.1:{port}/{name}", digest, len(content), ("toy-set",))


def left_behind(cache) -> list[str]:
    return [str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file()]


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_good_download_lands_in_the_cache_and_is_found_there(server, cache):
    file = spec(server.server_port)
    path = download(file)
    assert path == cache / "toy-set" / "part.gz" == places.find(file)
    assert verified_content(path, file) == CONTENT
    assert [entry.name for entry in path.parent.iterdir()] == ["part.gz"]


def test_another_gzip_layer_or_none_is_as_good(server, cache):
    for body in (gzip.compress(CONTENT, 1), CONTENT):
        server.reply = lambda path, body=body: (200, {}, body)
        file = spec(server.server_port)
        assert verified_content(download(file), file) == CONTENT


def test_a_server_that_calls_gzip_an_encoding_does_no_harm(server, cache):
    server.reply = lambda path: (200, {"Content-Encoding": "gzip"}, PACKED)
    file = spec(server.server_port)
    assert verified_content(download(file), file) == CONTENT


BAD = {
    "other content": (200, {}, gzip.compress(CONTENT[:-1] + b"!"), "SHA-256"),
    "a login page": (200, {}, b"<html>please log in</html>", "proxy or a login page"),
    "half a gzip": (200, {}, PACKED[: len(PACKED) // 2], "the gzip stream breaks off"),
    "a body cut short": (200, {"Content-Length": str(len(PACKED))}, PACKED[: len(PACKED) // 2], "."),
    "nothing": (200, {}, b"", "found 0"),
    "not found": (404, {}, b"gone", "404"),
    "server error": (503, {}, b"later", "503"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_answer_is_refused_leaves_nothing_and_can_be_retried(server, cache, fault):
    status, headers, body, says = BAD[fault]
    file = spec(server.server_port)
    server.reply = lambda path: (status, headers, body)
    with pytest.raises(DataError, match=says) as caught:
        download(file)
    assert file.url in str(caught.value)
    assert left_behind(cache) == [] and places.find(file) is None
    server.reply = lambda path: (200, {}, PACKED)
    assert verified_content(download(file), file) == CONTENT
    assert left_behind(cache) == ["toy-set/part.gz"]


def test_nothing_has_the_final_name_before_it_is_checked(server, cache, monkeypatch):
    seen = []

    def watch(*args, **kwargs):
        seen.append(places.find(spec(server.server_port)))
        return verified_content(*args, **kwargs)

    monkeypatch.setattr(download_module, "verified_content", watch)
    download(spec(server.server_port))
    assert seen == [None]


def test_an_interrupted_download_leaves_nothing(server, cache, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(download_module, "verified_content", interrupt)
    with pytest.raises(KeyboardInterrupt):
        download(spec(server.server_port))
    assert left_behind(cache) == []


def test_no_network_names_the_places_the_address_and_the_remedy(cache, monkeypatch, tmp_path):
    file = spec(closed_port())
    with pytest.raises(DataError) as caught:
        download(file)
    message = str(caught.value)
    for part in (
        "part.gz of toy",
        "$MINIGRAD_DATA (not set)",
        str(tmp_path / "system" / "toy-set") + " (no such folder)",
        str(cache / "toy-set"),
        file.url,
        "set MINIGRAD_DATA to",
        "datasets.digits()",
    ):
        assert part in message
    assert left_behind(cache) == []
    monkeypatch.setenv(places.VARIABLE, str(tmp_path / "mine"))
    with pytest.raises(DataError) as caught:
        download(file)
    assert str(tmp_path / "mine" / "toy-set") in str(caught.value) and "not set" not in str(caught.value)


def test_a_cache_that_cannot_be_made_is_a_data_error(server, cache):
    cache.write_bytes(b"a file where the folder should be")
    with pytest.raises(DataError, match=r"(FileExists|NotADirectory)Error"):
        download(spec(server.server_port))


def test_without_pooch_it_is_said_what_to_type(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)  # as if not installed
    with pytest.raises(DataError, match="Downloading needs the package pooch: pip install pooch"):
        download(spec(closed_port()))


def test_a_whole_data_set_downloads_what_is_missing_once(server, cache, monkeypatch):
    labels = b"\0\0\x08\x01" + (40).to_bytes(4, "big") + bytes(i % 10 for i in range(40))
    contents = {"x_train": CONTENT, "y_train": labels, "x_test": CONTENT, "y_test": labels}
    files = {part: spec(server.server_port, content, f"{part}.gz") for part, content in contents.items()}
    monkeypatch.setattr(images, "MNIST", files)
    server.reply = lambda path: (200, {}, gzip.compress(contents[path[1:-3]]))
    (cache / "toy-set").mkdir(parents=True)
    (cache / "toy-set" / "y_test").write_bytes(labels)  # this one is here already, unpacked
    for _ in range(2):
        data = datasets.mnist()
        assert np.array_equal(data.x_train[..., 0], PIXELS.astype(np.float32) / np.float32(255))
        assert server.requests == ["/x_train.gz", "/y_train.gz", "/x_test.gz"]
    # A file that is damaged in the cache is refused, not silently fetched again; deleted, it comes back.
    damaged = cache / "toy-set" / "x_test.gz"
    damaged.write_bytes(damaged.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"x_test\.gz is not x_test\.gz of toy, or it is damaged.*Delete it"):
        datasets.mnist()
    damaged.unlink()
    datasets.mnist()
    assert server.requests[3:] == ["/x_test.gz"]


# The archive of CIFAR-10


@pytest.fixture
def small_cifar(server, cache, monkeypatch):
    """A server with a small stand-in for the archive."""
    use_small(monkeypatch, server.server_port)
    server.reply = lambda path: (200, {}, ARCHIVE)
    return server


def test_the_archive_is_downloaded_once_and_read_where_it_lies(small_cifar, cache):
    for _ in range(2):
        check(datasets.cifar10())
        assert small_cifar.requests == ["/cifar-10-binary.tar.gz"]
    assert left_behind(cache) == ["cifar10/cifar-10-binary.tar.gz"]


def test_an_archive_that_was_repacked_on_the_way_is_as_good(small_cifar, cache):
    for headers, body in (
        ({"Content-Encoding": "gzip"}, ARCHIVE),  # is unpacked on arrival
        ({}, gzip.decompress(ARCHIVE)),
        ({}, packed(official(), level=1)),
    ):
        small_cifar.reply = lambda path, headers=headers, body=body: (200, headers, body)
        check(datasets.cifar10())
        (cache / "cifar10" / "cifar-10-binary.tar.gz").unlink()
    assert len(small_cifar.requests) == 3


WITHOUT_ONE = {name: content for name, content in official().items() if not name.endswith("data_batch_3.bin")}
ESCAPING = {
    **WITHOUT_ONE,
    "../data_batch_3.bin": CONTENTS["data_batch_3.bin"],
    "../../../escaped.txt": b"where it should not be",
}
BAD_ARCHIVES = {
    "wrong checksum": (
        {},
        packed(official({**CONTENTS, "test_batch.bin": records(8, 99)})),
        rf"{FOLDER}/test_batch\.bin in What http.* sent is not test_batch\.bin of cifar10.*SHA-256.*Try again",
    ),
    "truncated": ({}, ARCHIVE[: len(ARCHIVE) // 2], "Reading it broke off"),
    "a body cut short": ({"Content-Length": str(len(ARCHIVE))}, ARCHIVE[: len(ARCHIVE) // 2], "."),
    "a member missing": ({}, packed(WITHOUT_ONE), rf"it lacks {FOLDER}/data_batch_3\.bin\. Its SHA-256 should be"),
    "paths that lead out": ({}, packed(ESCAPING), rf"it lacks {FOLDER}/data_batch_3\.bin\."),
    "a login page": ({}, b"<html>please log in</html>", "proxy or a login page"),
    "nothing": ({}, b"", rf"it lacks {FOLDER}/{NAMES[0]}"),
}


@pytest.mark.parametrize("fault", BAD_ARCHIVES)
def test_a_bad_archive_is_refused_leaves_nothing_and_can_be_retried(small_cifar, cache, tmp_path, fault):
    headers, body, says = BAD_ARCHIVES[fault]
    small_cifar.reply = lambda path: (200, headers, body)
    with pytest.raises(DataError, match=says) as caught:
        datasets.cifar10()
    assert cifar.ARCHIVE.url in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    small_cifar.reply = lambda path: (200, {}, ARCHIVE)
    check(datasets.cifar10())
    assert left_behind(cache) == ["cifar10/cifar-10-binary.tar.gz"]
    assert len(small_cifar.requests) == 2  # from the beginning, in one go


def test_without_a_network_cifar10_names_the_places_the_address_and_the_remedy(cache, monkeypatch):
    use_small(monkeypatch, closed_port())
    with pytest.raises(DataError) as caught:
        datasets.cifar10()
    for part in ("cifar-10-binary.tar.gz of cifar10", str(cache / "cifar10"), cifar.ARCHIVE.url, "folder 'cifar10'"):
        assert part in str(caught.value)
    assert left_behind(cache) == []


def test_a_damaged_archive_in_the_cache_is_refused_and_not_fetched_again_behind_ones_back(small_cifar, cache):
    path = cache / "cifar10" / "cifar-10-binary.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(ARCHIVE[:-10_000])
    with pytest.raises(DataError, match=r"cifar-10-binary\.tar\.gz is not the archive.*Delete it"):
        datasets.cifar10()
    assert small_cifar.requests == []
    path.unlink()
    check(datasets.cifar10())
