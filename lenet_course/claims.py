"""A sentence of the text that must hold."""

import numpy as np


def claim(sentence, holds):
    """Print a sentence of the text with a check mark, or fail with an AssertionError.

    A conclusion that a chapter draws from a measurement is a claim or a plain assert, so that
    re-running the notebooks re-checks the text.

    >>> claim("a window of 3 has 10 places on a row of 12", 12 - 3 + 1 == 10)
    ✔ a window of 3 has 10 places on a row of 12
    """
    if not isinstance(holds, bool | np.bool_):
        raise TypeError(
            f"a claim is True or False, but {sentence!r} was given {holds!r}; "
            "compare it with something, and reduce an array with .all() or .any()"
        )
    if not holds:
        raise AssertionError(f"✘ does not hold: {sentence}")
    print(f"✔ {sentence}")
