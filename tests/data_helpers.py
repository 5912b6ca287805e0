"""A tiny data set with checksums of its own, and a host on this machine that can misbehave."""

import contextlib
import dataclasses
import gzip
import hashlib
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from lenet_course.data import formats
from lenet_course.data.catalog import CATALOG, File
from lenet_course.data.sources import http_files

NAMES = tuple(f.name for f in CATALOG["mnist"].files)


def _contents():
    rng = np.random.default_rng(0)
    arrays = (
        rng.integers(0, 256, (20, 28, 28), np.uint8),
        rng.integers(0, 10, 20, np.uint8),
        rng.integers(0, 256, (5, 28, 28), np.uint8),
        rng.integers(0, 10, 5, np.uint8),
    )
    return dict(zip(NAMES, map(formats.to_idx, arrays), strict=True))


RAW = _contents()
GZ = {name: gzip.compress(content, mtime=0) for name, content in RAW.items()}


def tiny_spec(*sources):
    """Take the place of MNIST: 20 training and 5 test images."""
    files = tuple(File(n, len(c), "md5", hashlib.md5(c).hexdigest()) for n, c in RAW.items())
    return dataclasses.replace(CATALOG["mnist"], files=files, sources=sources)


def assert_tiny(dataset):
    assert dataset.source == "full"
    for split, names in ((dataset.train, NAMES[:2]), (dataset.test, NAMES[2:])):
        np.testing.assert_array_equal(split.images, formats.parse_idx(RAW[names[0]]))
        np.testing.assert_array_equal(split.labels, formats.parse_idx(RAW[names[1]]))


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
                self.begin(len(answer))
                self.wfile.write(answer)

    def begin(self, length=None):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

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
