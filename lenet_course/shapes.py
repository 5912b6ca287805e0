"""Arithmetic of layers: output sizes, receptive fields, parameter counts; standard library only.

A size along one axis is an int; a size along both is a pair (H, W). Where every argument is an
int the result is one too, and as soon as one argument is a pair the result is a pair. A size,
stride or dilation below 1 and a negative padding are a ValueError, what is no whole number a
TypeError.
"""

from lenet_course.arguments import whole_number


def conv_output_size(size, kernel_size, stride=1, padding=0, dilation=1):
    """Count the places that a kernel has on an image, along one axis or both.

    Along each axis::

        O = floor((I + padding on both sides - dilation · (K - 1) - 1) / stride) + 1

    where I is the size of the image and K that of the kernel. Pooling follows the same formula,
    with `stride` equal to `kernel_size` unless one says otherwise.

    Parameters
    ----------
    size, kernel_size, stride, dilation : int or (int, int)
    padding : int, (int, int), "same" or "valid"
        Pixels added on *each* side. "valid" is 0; "same" adds as many as keep the size, and
        needs a stride of 1.

    References
    ----------
    Dumoulin, Visin (2016), "A guide to convolution arithmetic for deep learning",
    arXiv:1603.07285, relationships 6 and 15.

    Examples
    --------
    >>> conv_output_size(28, kernel_size=5, padding=2)
    28
    >>> conv_output_size((28, 20), kernel_size=2, stride=2)
    (14, 10)
    """
    sizes = pair("size", size)
    kernels = pair("kernel_size", kernel_size)
    strides = pair("stride", stride)
    dilations = pair("dilation", dilation)
    if isinstance(padding, str) and padding == "same" and strides != (1, 1):
        raise ValueError(
            f"padding='same' needs stride=1, but stride is {stride!r}; "
            "give the padding as a number, such as kernel_size // 2"
        )
    sides = padding_per_side(kernels, padding, dilations)
    outputs = tuple(map(_places, sizes, kernels, strides, sides, dilations))
    return outputs if _any_pair(size, kernel_size, stride, padding, dilation) else outputs[0]


def padding_per_side(kernel_size, padding=0, dilation=1):
    """Count the pixels that padding adds (before the first pixel, after the last).

    Only "same" can differ between the two sides: it adds dilation · (K - 1) pixels in total, and
    an odd pixel goes after the last one, as in PyTorch. With a pair among the arguments the
    result is ((top, bottom), (left, right)).

    >>> padding_per_side(4, padding="same")
    (1, 2)
    """
    kernels = pair("kernel_size", kernel_size)
    dilations = pair("dilation", dilation)
    if not isinstance(padding, str):
        sides = tuple((amount, amount) for amount in pair("padding", padding, least=0))
    elif padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernels, dilations, strict=True)]
        sides = tuple((total // 2, total - total // 2) for total in totals)
    elif padding == "valid":
        sides = ((0, 0), (0, 0))
    else:
        raise ValueError(
            f"padding={padding!r} is unknown; use a number, a pair (H, W), 'same' or 'valid'"
        )
    return sides if _any_pair(kernel_size, padding, dilation) else sides[0]


def receptive_field(layers):
    """Count the input pixels that one output pixel of a stack of layers can depend on.

    Along each axis, for layers 1 … L with kernel sizes k, strides s and dilations d::

        r = 1 + Σ_l d_l · (k_l - 1) · (s_1 · s_2 · … · s_(l-1))

    Each layer widens the view by d · (k - 1) of *its own* input pixels, and one of those is as
    wide as the product of all strides before it. Padding plays no part.

    Parameters
    ----------
    layers : sequence of (kernel_size, stride) or (kernel_size, stride, dilation)
        Convolutions and poolings from the input on.

    References
    ----------
    Araujo, Norris, Sim (2019), "Computing receptive fields of convolutional neural networks",
    Distill, doi:10.23915/distill.00021, equation 2.

    Examples
    --------
    LeNet's four layers see 16 pixels:

    >>> receptive_field([(5, 1), (2, 2), (5, 1), (2, 2)])
    16
    """
    field, width = [1, 1], [1, 1]  # width: input pixels from one pixel of this layer to the next
    for number, layer in enumerate(layers, start=1):
        if not _any_pair(layer) or len(layer) not in (2, 3):
            raise ValueError(
                f"layer {number} is {layer!r}; write a list of (kernel_size, stride) or "
                "(kernel_size, stride, dilation), one for each layer"
            )
        named = zip(("kernel_size", "stride", "dilation"), (*layer, 1), strict=False)
        kernels, strides, dilations = (pair(name, value) for name, value in named)
        for axis in (0, 1):
            field[axis] += dilations[axis] * (kernels[axis] - 1) * width[axis]
            width[axis] *= strides[axis]
    return tuple(field) if any(_any_pair(*layer) for layer in layers) else field[0]


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    """Count the numbers that a convolution learns, C_out · (C · KH · KW + 1) with its biases.

    The size of the image does not occur: every place shares the same kernel.
    """
    KH, KW = pair("kernel_size", kernel_size)
    return linear_parameter_count(
        whole_number("in_channels", in_channels) * KH * KW,
        whole_number("out_channels", out_channels),
        bias,
    )


def linear_parameter_count(in_features, out_features, bias=True):
    """Count the numbers that a fully connected layer learns: out · (in + 1) with its biases."""
    inputs = whole_number("in_features", in_features)
    return whole_number("out_features", out_features) * (inputs + bool(bias))


def pair(name, value, least=1):
    """Write a size along both axes: (H, W) stays, and an int counts for both."""
    if not _any_pair(value):
        return (whole_number(name, value, least),) * 2
    if len(value) != 2:
        raise ValueError(
            f"{name}={value!r} has {len(value)} entries; use one whole number or a pair (H, W)"
        )
    return tuple(whole_number(name, entry, least) for entry in value)


def _any_pair(*values):
    return any(isinstance(value, tuple | list) for value in values)


def _places(size, kernel, stride, sides, dilation):
    """Evaluate the formula along one axis."""
    span = dilation * (kernel - 1) + 1  # pixels from the kernel's first entry to its last
    padded = size + sum(sides)
    if span > padded:
        raise ValueError(
            f"a kernel of size {kernel} with dilation {dilation} spans {span} pixels and does not "
            f"fit on {size} + {sides[0]} + {sides[1]} = {padded}; use a smaller kernel or a "
            f"padding of at least {-(-(span - size) // 2)}"
        )
    return (padded - span) // stride + 1
