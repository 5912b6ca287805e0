"""The layers of a convolutional network from first principles, in NumPy alone.

Names, arguments and shapes are those of ``torch.nn.functional``. Every function but `flatten`
computes with floating-point arrays of one dtype, and returns that dtype in a new array. A
function that ends in ``_backward`` takes the gradient of a loss with respect to the output and
gives that with respect to what went in. `lenet_course.scratch.nn` makes layers of them.
"""

from lenet_course.scratch.activation import (
    log_softmax,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    tanh,
    tanh_backward,
)
from lenet_course.scratch.batch_norm import batch_norm, batch_norm_backward, batch_stats
from lenet_course.scratch.conv import conv2d, conv2d_backward, conv2d_loops
from lenet_course.scratch.dropout import dropout, dropout_mask
from lenet_course.scratch.linear import flatten, linear, linear_backward
from lenet_course.scratch.loss import cross_entropy, cross_entropy_backward
from lenet_course.scratch.pool import (
    avg_pool2d,
    avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "batch_norm",
    "batch_norm_backward",
    "batch_stats",
    "conv2d",
    "conv2d_backward",
    "conv2d_loops",
    "cross_entropy",
    "cross_entropy_backward",
    "dropout",
    "dropout_mask",
    "flatten",
    "linear",
    "linear_backward",
    "log_softmax",
    "max_pool2d",
    "max_pool2d_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "tanh",
    "tanh_backward",
]
