"""A tiny data set with checksums of its own, and a host on this machine that can misbehave."""

import contextlib
import dataclasses
import gzip
import hashlib
import io
import os
import tarfile
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import numpy as np
import pooch
import pytest

from lenet_course.data import formats, loading
from lenet_course.data.catalog import CATALOG, File
from lenet_course.data.sources import Source, http_files

posix = pytest.mark.skipif(
    os.name != "posix", reason="needs POSIX: its files, signals, permissions or programs"
)

NAMES = tuple(f.name for f in CATALOG["mnist"].files)


def to_idx(array):
    """Write an array of uint8 as an IDX file."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8, casting="safe").tobytes()


def _contents():
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(0, 256, (20, 28, 28), np.uint8),
        rng.integers(0, 10, 20, np.uint8),
        rng.integers(0, 256, (5, 28, 28), np.uint8),
        rng.integers(0, 10, 5, np.uint8),
    )
    return dict(zip(NAMES, map(to_idx, arrays), strict=True))


RAW = _contents()
GZ = {name: gzip.compress(content, mtime=0) for name, content in RAW.items()}


def tiny_spec(*sources):
    """Take the place of MNIST: 20 training and 5 test images."""
    files = tuple(File(n, len(c), "md5", hashlib.md5(c).hexdigest()) for n, c in RAW.items())
    return dataclasses.replace(CATALOG["mnist"], files=files, sources=sources)


def tiny_mnist(monkeypatch, cache):
    """Give a function that lets sources offer the tiny data set in place of MNIST.

    There is no cache, no setting, no memory of earlier tests, and no pause before a second try.
    """
    monkeypatch.setenv("LENET_COURSE_CACHE", str(cache))
    monkeypatch.delenv("LENET_COURSE_DATA", raising=False)
    monkeypatch.setattr(loading, "_unavailable", set())
    monkeypatch.setattr(pooch.core, "time", SimpleNamespace(sleep=lambda seconds: None))
    return lambda *sources: monkeypatch.setitem(CATALOG, "mnist", tiny_spec(*sources))


def assert_tiny(dataset):
    assert dataset.source == "full"
    for split, names in ((dataset.train, NAMES[:2]), (dataset.test, NAMES[2:])):
        np.testing.assert_array_equal(split.images, formats.parse_idx(RAW[names[0]]))
        np.testing.assert_array_equal(split.labels, formats.parse_idx(RAW[names[1]]))


def altered(content):
    return content[:-1] + bytes([content[-1] ^ 1])


def own(label, read):
    """Make a source of a function from a file's name to its bytes."""
    return Source(label, "own:{}", lambda names: read)


def tar_of(members, mode="w:gz"):
    """Pack pairs of a name and either bytes or a (type, link name) into a tar archive."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                tar.addfile(info)
    return file.getvalue()


class Host(ThreadingHTTPServer):
    """Serves `paths`: bytes, or a function that answers by itself. Counts the requests."""

    daemon_threads = True

    def __init__(self, paths):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.paths, self.hits, self.go_on = paths, Counter(), threading.Event()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.server_address[1]}/"

    @property
    def source(self):
        return http_files(self.base)


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.lstrip("/")
        self.server.hits[path] += 1
        answer = self.server.paths.get(path)
        with contextlib.suppress(ConnectionError):
            if callable(answer):
                answer(self)
            elif answer is None:
                self.send_error(404)
            else:
                self.send(answer)

    def send(self, content, length=None):
        """Announce `length` bytes, or as many as there are, or with False no number; send them."""
        self.send_response(200)
        if length is not False:
            self.send_header("Content-Length", str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def serve(paths=None):
    """Run a host; without `paths` it serves the tiny data set as it should."""
    good = {f"{name}.gz": content for name, content in GZ.items()}
    with Host(good if paths is None else good | paths) as host:
        thread = threading.Thread(target=host.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield host
        finally:
            host.go_on.set()
            host.shutdown()
            thread.join()
