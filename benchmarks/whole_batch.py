"""Convolution and pooling as tutorials write them: float64, the columns of a whole batch at once.

Every image of a batch goes into one matrix, and each change of axes copies it. The layers take
the place of those in `lenet_course.scratch.nn`, to be timed beside them.
"""

import numpy as np

from lenet_course.scratch import nn
from lenet_course.shapes import conv_output_size


def im2col(x, K, stride, padding):
    """Copy all windows of all images into rows, shape (N · OH · OW, C · K · K)."""
    N, C, H, W = x.shape
    OH, OW = conv_output_size((H, W), K, stride, padding)
    image = np.pad(x, [(0, 0), (0, 0), (padding, padding), (padding, padding)])
    columns = np.zeros((N, C, K, K, OH, OW))
    for i in range(K):
        for j in range(K):
            rows, across = slice(i, i + stride * OH, stride), slice(j, j + stride * OW, stride)
            columns[:, :, i, j] = image[:, :, rows, across]
    return columns.transpose(0, 4, 5, 1, 2, 3).reshape(N * OH * OW, -1)


def col2im(columns, shape, K, stride, padding):
    """Add all rows back to where they were copied from."""
    N, C, H, W = shape
    OH, OW = conv_output_size((H, W), K, stride, padding)
    columns = columns.reshape(N, OH, OW, C, K, K).transpose(0, 3, 4, 5, 1, 2)
    image = np.zeros((N, C, H + 2 * padding + stride - 1, W + 2 * padding + stride - 1))
    for i in range(K):
        for j in range(K):
            rows, across = slice(i, i + stride * OH, stride), slice(j, j + stride * OW, stride)
            image[:, :, rows, across] += columns[:, :, i, j]
    return image[:, :, padding : H + padding, padding : W + padding]


class Conv2d(nn.Conv2d):
    """Convolution by one matrix product for the whole batch."""

    def _forward(self, x):
        N, _, H, W = x.shape
        K, stride, padding = self.kernel_size[0], self.stride[0], self.padding[0]
        OH, OW = conv_output_size((H, W), K, stride, padding)
        columns = im2col(x, K, stride, padding)
        self._kept = x, columns
        out = columns @ self.weight.data.reshape(self.out_channels, -1).T + self.bias.data
        return out.reshape(N, OH, OW, -1).transpose(0, 3, 1, 2)

    def _backward(self, grad_output):
        x, columns = self._kept
        rows = grad_output.transpose(0, 2, 3, 1).reshape(-1, self.out_channels)
        self._add((columns.T @ rows).T.reshape(self.weight.data.shape), rows.sum(axis=0))
        spread = rows @ self.weight.data.reshape(self.out_channels, -1)
        return col2im(spread, x.shape, self.kernel_size[0], self.stride[0], self.padding[0])


class MaxPool2d(nn.MaxPool2d):
    """Max pooling by im2col."""

    def _forward(self, x):
        (N, C, H, W), K = x.shape, self.kernel_size
        OH, OW = conv_output_size((H, W), K, self.stride)
        columns = im2col(x, K, self.stride, 0).reshape(-1, K * K)
        self._kept = x.shape, columns.argmax(axis=1)
        return columns.max(axis=1).reshape(N, OH, OW, C).transpose(0, 3, 1, 2)

    def _backward(self, grad_output):
        shape, largest = self._kept
        columns = np.zeros((grad_output.size, self.kernel_size**2))
        columns[np.arange(grad_output.size), largest] = grad_output.transpose(0, 2, 3, 1).ravel()
        N, _, OH, OW = grad_output.shape
        return col2im(columns.reshape(N * OH * OW, -1), shape, self.kernel_size, self.stride, 0)


ReLU, Flatten, Linear, Dropout = nn.ReLU, nn.Flatten, nn.Linear, nn.Dropout
Sequential = nn.Sequential
