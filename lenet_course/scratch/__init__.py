"""The layers of a convolutional network from first principles, in NumPy alone.

`functional` holds the functions, which are also names of this package; `nn` makes layers of
them, `optim` trains those, and `gradcheck` tests their gradients.
"""

from lenet_course.scratch.functional import *  # noqa: F403 (it lists its names)
from lenet_course.scratch.functional import __all__ as __all__
