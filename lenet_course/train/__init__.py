"""Training: one loop, its history, evaluation, weights on disk, and export.

`fit`, `evaluate` and `predict` take any ``torch.nn.Module`` that maps images (N, C, H, W) to
logits (N, classes). Batches are pairs (x, y) of images and labels, int64 (N,), with labels from 0
to classes − 1: a ``DataLoader``, ``lenet_course.data.batches``, or a list. A mean over batches
counts each image once, whatever the batch sizes.

What does not fit is refused: a ValueError tells the shape or dtype of images that the model cannot
take, or labels that have no score; a TypeError tells of arrays in place of tensors, or of a network
in NumPy in place of one in PyTorch.
"""

from lenet_course.train.evaluation import Evaluation, evaluate, predict
from lenet_course.train.export import check_onnx, export_onnx, predict_onnx
from lenet_course.train.fitting import History, Moment, best_device, fit, one_cycle
from lenet_course.train.watch import TensorBoard
from lenet_course.train.weights import load, save

__all__ = [
    "Evaluation",
    "History",
    "Moment",
    "TensorBoard",
    "best_device",
    "check_onnx",
    "evaluate",
    "export_onnx",
    "fit",
    "load",
    "one_cycle",
    "predict",
    "predict_onnx",
    "save",
]
