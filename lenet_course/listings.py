"""Networks that are written once, for ``torch.nn`` and for ``lenet_course.scratch.nn`` alike."""


def lenet(nn):
    """LeNet for 28×28 gray images: 6 and 16 feature maps, then 120, 84 and 10 units.

    Parameters
    ----------
    nn : module
        ``torch.nn`` or ``lenet_course.scratch.nn``.

    Returns
    -------
    Sequential
        Maps images (N, 1, 28, 28) to logits (N, 10); 61,706 parameters.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner (1998), "Gradient-based learning applied to document
    recognition", Proceedings of the IEEE 86(11), with ReLU and max pooling.

    Examples
    --------
    >>> from lenet_course.scratch import nn
    >>> sum(p.data.size for p in lenet(nn).parameters())
    61706
    """
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


def deep(nn):
    """Six convolutions of 3×3 for 28×28 gray images, in pairs, with pooling after each pair.

    Parameters
    ----------
    nn : module
        ``torch.nn`` or ``lenet_course.scratch.nn``.

    Returns
    -------
    Sequential
        Maps images (N, 1, 28, 28) to logits (N, 10); 101,152 parameters.

    References
    ----------
    The plan of Simonyan, Zisserman (2015), "Very deep convolutional networks for large-scale
    image recognition", ICLR, made small.

    Examples
    --------
    >>> from lenet_course.scratch import nn
    >>> sum(p.data.size for p in deep(nn).parameters())
    101152
    """

    def pair(channels, maps):
        return [
            nn.Conv2d(channels, maps, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(maps, maps, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=2),
        ]

    return nn.Sequential(*pair(1, 16), *pair(16, 32), *pair(32, 64), *_head(nn))


def shallow(nn):
    """`deep` with one 5×5 convolution in place of each pair of 3×3: the same view, half as deep.

    Parameters
    ----------
    nn : module
        ``torch.nn`` or ``lenet_course.scratch.nn``.

    Returns
    -------
    Sequential
        Maps images (N, 1, 28, 28) to logits (N, 10); 93,872 parameters.

    Examples
    --------
    >>> from lenet_course.scratch import nn
    >>> sum(p.data.size for p in shallow(nn).parameters())
    93872
    """

    def single(channels, maps):
        conv = nn.Conv2d(channels, maps, kernel_size=5, padding=2)
        return [conv, nn.ReLU(), nn.MaxPool2d(kernel_size=2)]

    return nn.Sequential(*single(1, 16), *single(16, 32), *single(32, 64), *_head(nn))


def _head(nn):
    return [
        nn.Flatten(),
        nn.Linear(64 * 3 * 3, 50),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(50, 10),
    ]
