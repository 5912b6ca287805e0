"""Named members out of archives, read into memory: nothing is ever unpacked to a path."""

import gzip
import io
import tarfile
from collections.abc import Collection, Iterator

MEMBER_LIMIT = 64 * 2**20  # bytes; the largest file we want has 47 MB


class SourceError(Exception):
    """A source did not deliver; the text says what it answered."""


def tar_members(file: io.IOBase, names: Collection[str]) -> Iterator[tuple[str, bytes]]:
    """Read regular files out of a tar archive by their exact names.

    Parameters
    ----------
    file : file object
        The archive, compressed or not, open for reading bytes.
    names : collection of str
        The members to read; whatever else the archive holds is skipped.

    Yields
    ------
    tuple of str and bytes
        Name and content, in the archive's order.

    Raises
    ------
    SourceError
        If a named member is missing, is a link or a folder, or is larger than `MEMBER_LIMIT`.
    tarfile.TarError
        If it is no archive.
    """
    missing = set(names)
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            if member.name not in missing:
                continue
            if not member.isreg():
                raise SourceError(f"{member.name} in the archive is not a regular file")
            if member.size > MEMBER_LIMIT:
                raise SourceError(f"{member.name} in the archive claims {member.size} bytes")
            missing.remove(member.name)
            yield member.name, tar.extractfile(member).read()
            if not missing:
                return
    raise SourceError(f"the archive has no {', '.join(sorted(missing))}")


def gunzip(content: bytes, limit: int = MEMBER_LIMIT) -> bytes:
    """Decompress a gzip file, but no more than `limit` bytes.

    Raises
    ------
    SourceError
        If more would come out.
    OSError, EOFError, zlib.error
        If it is no whole gzip file.

    Examples
    --------
    >>> gunzip(gzip.compress(b"pixels"))
    b'pixels'
    """
    with gzip.open(io.BytesIO(content)) as file:
        plain = file.read(limit + 1)
    if len(plain) > limit:
        raise SourceError(f"more than {limit} bytes come out of the compressed file")
    return plain
