"""Random arrays and random geometries, shared by the tests of the layers."""

import numpy as np
from hypothesis import strategies as st

from lenet_course.shapes import pair


def numbers(*shape, seed=0, dtype="float64"):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def between(low, high):
    """Draw an int, or one for each axis."""
    number = st.integers(low, high)
    return number | st.tuples(number, number)


@st.composite
def geometries(draw, most_dilation=3):
    """Draw shapes and arguments of a convolution that fits."""
    kernel = pair("kernel", draw(between(1, 4)))
    arguments = {
        "stride": draw(between(1, 3)),
        "padding": draw(between(0, 3)),
        "dilation": draw(between(1, most_dilation)),
    }
    if arguments["stride"] in (1, (1, 1)) and draw(st.booleans()):
        arguments["padding"] = draw(st.sampled_from(["same", "valid"]))
    named = arguments["padding"]
    paddings = (0, 0) if isinstance(named, str) else pair("padding", named, least=0)
    dilations = pair("dilation", arguments["dilation"])
    axes = zip(kernel, paddings, dilations, strict=True)
    least = [max(1, d * (k - 1) + 1 - 2 * p) for k, p, d in axes]
    size = [n + draw(st.integers(0, 5)) for n in least]
    return kernel, size, arguments
