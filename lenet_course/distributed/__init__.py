"""Data-parallel training: several processes, on one or several machines, train one network.

``torchrun --nproc-per-node=2 -m lenet_course.distributed --data mnist --epochs 3``
starts two processes, `__main__` in each; `training` is what they do, and
``torchrun … -m lenet_course.distributed.timing`` measures what that costs. Every process holds the
whole data set and the whole network. It computes the gradient of its own share of each batch;
DistributedDataParallel averages the gradients, so that all take the same step.
"""

from lenet_course.distributed.training import (
    Setting,
    SharedBatches,
    evaluate,
    images,
    one_epoch,
    train,
)

__all__ = ["Setting", "SharedBatches", "evaluate", "images", "one_epoch", "train"]
