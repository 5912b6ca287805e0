"""The layers of a convolutional network from first principles, in NumPy alone.

Names, arguments and shapes are those of ``torch.nn.functional``. Every function but `flatten`
computes with floating-point arrays of one dtype, and returns that dtype in a new array.
"""

from lenet_course.scratch.activation import log_softmax, relu, sigmoid, softmax, tanh
from lenet_course.scratch.conv import conv2d, conv2d_loops
from lenet_course.scratch.linear import flatten, linear
from lenet_course.scratch.loss import cross_entropy
from lenet_course.scratch.pool import avg_pool2d, max_pool2d

__all__ = [
    "avg_pool2d",
    "conv2d",
    "conv2d_loops",
    "cross_entropy",
    "flatten",
    "linear",
    "log_softmax",
    "max_pool2d",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
