"""The two published file formats, as bytes in memory to arrays.

IDX is the format of MNIST [1]_ and Fashion-MNIST [2]_: a magic number that tells type and rank,
the sizes as big-endian 32-bit integers, then the values. The binary form of CIFAR-10 [3]_ is one
label byte and 3072 pixel bytes an image: 1024 red, 1024 green, 1024 blue.

References
----------
.. [1] LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition.
   Proceedings of the IEEE 86 (1998).
.. [2] Xiao, Rasul, Vollgraf: Fashion-MNIST. arXiv:1708.07747 (2017).
.. [3] Krizhevsky: Learning multiple layers of features from tiny images. Technical report,
   University of Toronto (2009).
"""

import io
import json

import numpy as np

from lenet_course.data.dataset import Split

UBYTE = 0x08  # the third byte of the magic number: values are unsigned bytes


def parse_idx(content: bytes) -> np.ndarray:
    """Read an IDX file of unsigned bytes.

    Parameters
    ----------
    content : bytes
        The whole file, not compressed.

    Returns
    -------
    ndarray of uint8
        With the shape that the header tells; a read-only view of `content`.

    Raises
    ------
    ValueError
        If the magic number or the length is not that of such a file.

    Examples
    --------
    >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
    array([5, 0, 4], dtype=uint8)
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UBYTE]) or content[3] == 0:
        raise ValueError(
            f"An IDX file of unsigned bytes starts with 00 00 08 and its rank, "
            f"this one with {content[:4].hex(' ') or 'nothing'}."
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(
            f"An IDX header of rank {content[3]} has {start} bytes, not {len(content)}."
        )
    shape = tuple(int(n) for n in np.frombuffer(content[4:start], ">u4"))
    values = np.frombuffer(content, np.uint8, offset=start)
    if len(values) != np.prod(shape, dtype=object):
        raise ValueError(
            f"The IDX header promises the shape {shape}, but {len(values)} bytes follow."
        )
    return values.reshape(shape)


def to_idx(array: np.ndarray) -> bytes:
    """Write an array of uint8 as an IDX file; `parse_idx` reads it back.

    Examples
    --------
    >>> to_idx(np.array([5, 0, 4], np.uint8)).hex(" ")
    '00 00 08 01 00 00 00 03 05 00 04'
    """
    header = bytes([0, 0, UBYTE, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8, casting="safe").tobytes()


def idx_split(images: bytes, labels: bytes) -> Split:
    """Make a `Split` of the two IDX files of MNIST or Fashion-MNIST."""
    return Split(parse_idx(images), parse_idx(labels))


def cifar_split(*batches: bytes) -> Split:
    """Make a `Split` of batches of CIFAR-10 in the official binary form, joined in order.

    Parameters
    ----------
    *batches : bytes
        Each a whole number of records of 1 + 3072 bytes.

    Returns
    -------
    Split
        With images of shape (N, 32, 32, 3).

    Raises
    ------
    ValueError
        If a batch does not end with a whole record.
    """
    for batch in batches:
        if len(batch) % 3073:
            raise ValueError(
                f"A CIFAR-10 record has 3073 bytes; {len(batch)} is no multiple of it."
            )
    records = [np.frombuffer(b, np.uint8).reshape(-1, 3073) for b in batches]
    images = np.empty((sum(map(len, records)), 32, 32, 3), np.uint8)
    start = 0
    for r in records:
        part = images[start : start + len(r)]
        part[...] = r[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start += len(r)
    return Split(images, np.concatenate([r[:, 0] for r in records]))


def sheet_to_cifar(png: bytes, labels: bytes, start: int, rows: int = 10000) -> bytes:
    """Bring a PNG sheet, one image a row, into the official binary form of CIFAR-10.

    Parameters
    ----------
    png : bytes
        A picture of `rows` × 1024 pixels in RGB; a row is an image in H, W order.
    labels : bytes
        A JSON list of labels.
    start : int
        Where the sheet's labels begin in that list.
    rows : int
        How many images the sheet has.

    Returns
    -------
    bytes
        `rows` records of one label, 1024 red, 1024 green and 1024 blue bytes.

    Raises
    ------
    ValueError
        If the picture has another size or mode, or the list is too short.
    """
    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as picture:
        if picture.size != (1024, rows) or picture.mode != "RGB":
            raise ValueError(
                f"The sheet should have 1024 × {rows} pixels in RGB, not "
                f"{picture.width} × {picture.height} in {picture.mode}."
            )
        pixels = np.asarray(picture)
    listed = json.loads(labels)[start : start + rows]
    if len(listed) != rows:
        raise ValueError(f"The list has {len(listed)} labels for a sheet of {rows} images.")
    records = np.empty((rows, 3073), np.uint8)
    records[:, 0] = listed
    records[:, 1:] = pixels.transpose(0, 2, 1).reshape(rows, 3072)
    return records.tobytes()
