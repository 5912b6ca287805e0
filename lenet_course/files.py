"""Files that are whole: a file is replaced at once by a new one, or it stays as it was."""

import os
from contextlib import suppress
from pathlib import Path


def write_whole(path, content, what):
    """Write bytes to a file, all of them or none, and have them on the disk before it counts.

    They go to ``NAME.part`` beside it first. An OSError says that `what` cannot be written, and
    where; the old file is left.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except OSError as error:  # that of a full disk has no path
        message = f"cannot write {what}: {error.strerror}"
        raise OSError(error.errno, message, str(path)) from error
    finally:
        with suppress(OSError):  # the error that is under way says more
            part.unlink()
