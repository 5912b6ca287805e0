"""The official hosts, over HTTP."""

import hashlib
import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from lenet_course.data.archives import SourceError, gunzip, tar_members

CONNECT_SECONDS = 10.0
READ_SECONDS = 30.0
WINDOW_SECONDS = 30.0
LEAST_RATE = 8_000  # bytes a second, over each window; a slower host counts as stalled
LARGEST = 256 * 2**20  # bytes


def download(url: str) -> bytes:
    """Fetch a file over HTTP into memory, with a progress bar in bytes.

    An attempt ends when the host does not accept within `CONNECT_SECONDS`, is silent for
    `READ_SECONDS`, or delivers less than `LEAST_RATE` bytes a second over `WINDOW_SECONDS`.

    Parameters
    ----------
    url : str
        Where the file is.

    Returns
    -------
    bytes
        The file as the host sent it; check its checksum before use.

    Raises
    ------
    SourceError
        If the host refuses, answers an error, stalls, or stops early.
    """
    content, name = bytearray(), url.rsplit("/", 1)[-1]
    try:
        with requests.get(
            url,
            stream=True,
            timeout=(CONNECT_SECONDS, READ_SECONDS),
            headers={"Accept-Encoding": "identity"},
        ) as answer:
            if answer.status_code != 200:
                raise SourceError(f"HTTP {answer.status_code} {answer.reason} for {name}")
            length = answer.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
            _receive(answer.raw, content, name, total)
    except requests.Timeout as error:
        what = "connection" if isinstance(error, requests.ConnectTimeout) else "answer"
        raise SourceError(f"no {what} in time for {name}") from error
    except (requests.RequestException, HTTPError) as error:
        raise SourceError(f"{_innermost(error)}, {len(content)} bytes of {name} came") from error
    return bytes(content)


def _receive(raw, content: bytearray, name: str, total: int | None) -> None:
    """Append to `content` what arrives, when it arrives, as long as it comes fast enough."""
    since, before = time.monotonic(), 0
    with tqdm(total=total, desc=name, unit="B", unit_scale=True, leave=False) as bar:
        # read1 returns as soon as any byte is there; read would wait for a full block, and a host
        # that sends a byte now and then could hold it for hours.
        while part := raw.read1(1 << 18):
            content += part
            bar.update(len(part))
            if len(content) > LARGEST:
                raise SourceError(f"{name} is longer than {LARGEST} bytes")
            now = time.monotonic()
            if now - since > WINDOW_SECONDS:
                if len(content) - before < LEAST_RATE * (now - since):
                    raise SourceError(
                        f"stalled: {len(content) - before} bytes of {name} in {now - since:.0f} s"
                    )
                since, before = now, len(content)


def _innermost(error: BaseException) -> str:
    """Give the plain reason under the layers that HTTP libraries wrap around it."""
    while inner := error.__cause__ or error.__context__:
        error = inner
    return " ".join(str(error).split())[:200] or type(error).__name__


def _check(content: bytes, md5: str, name: str) -> bytes:
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != md5:
        raise SourceError(f"{name} has md5 {found}, the published file {md5}")
    return content


@dataclass(frozen=True)
class HttpGzip:
    """Files that a host offers one by one, each compressed with gzip.

    Attributes
    ----------
    base : str
        The folder's URL, with a slash at the end.
    md5 : mapping of str to str
        For each file its published md5, compressed; the file is at `base` + name + ``.gz``.
    """

    base: str
    md5: Mapping[str, str]

    @property
    def label(self) -> str:
        """Name the host in messages."""
        return urlsplit(self.base).netloc

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of the named files, decompressed."""
        for name in names:
            content = download(f"{self.base}{name}.gz")
            yield name, gunzip(_check(content, self.md5[name], f"{name}.gz"))


@dataclass(frozen=True)
class HttpArchive:
    """Files that a host offers together in a tar archive.

    Attributes
    ----------
    url : str
        Where the archive is.
    md5 : str
        The archive's published md5, checked before it is opened.
    members : mapping of str to str
        For each file the exact name of the member that holds it.
    """

    url: str
    md5: str
    members: Mapping[str, str]

    @property
    def label(self) -> str:
        """Name the host in messages."""
        return urlsplit(self.url).netloc

    def fetch(self, names: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each of the named files out of the archive."""
        wanted = {self.members[name]: name for name in names}
        content = _check(download(self.url), self.md5, self.url.rsplit("/", 1)[-1])
        for member, plain in tar_members(io.BytesIO(content), wanted):
            yield wanted[member], plain
