"""What TensorBoard shows of a training: pass a `TensorBoard` to `fit` as its callback.

Look at it with ``tensorboard --logdir FOLDER`` while the training runs, or later.
"""

import tempfile
import warnings
from pathlib import Path

from lenet_course.train.evaluation import device_of, predict


class TensorBoard:
    """Log a training for TensorBoard, without changing its numbers.

    After each step: the loss, the learning rate, and for each weight the norm of its update
    divided by its own. After each epoch: loss and accuracy; histograms of the parameters and of
    the last step's gradients; the first filters, of color images their red part; twelve images
    that are answered wrong. Once: the graph.

    Parameters
    ----------
    folder : path
        Made if there is none. TensorBoard would draw two trainings in one folder as one zigzag,
        so a folder that holds a log already is refused with a FileExistsError. One that cannot
        be written is an OSError.
    x, y : Tensor, (N, C, H, W) and (N,)
        Validation images whose wrong answers are shown.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.zeros(2, 1, 28, 28), torch.tensor([5, 0])
    >>> logger = TensorBoard(tempfile.mkdtemp(), x, y)
    >>> logger.close()
    """

    def __init__(self, folder, x, y):
        try:
            from torch.utils.tensorboard import SummaryWriter  # takes a second to import
        except ImportError as error:
            raise ImportError(
                'the log needs the package tensorboard: pip install "lenet-course[tensorboard]"'
            ) from error
        self.x, self.y = x, y
        if len(x) != len(y):
            raise ValueError(f"{len(x)} images and {len(y)} labels: give one label an image")
        self._started, self._before = False, {}
        self._writer = SummaryWriter(_empty_folder(folder), max_queue=1000)

    def __call__(self, moment):
        """Log a `Moment`."""
        if not self._started:
            self._started = True
            self._graph(moment.model)
        if moment.name == "step":
            self._step(moment)
        else:
            self._epoch(moment)

    def close(self):
        """Write what is left and close the file."""
        self._writer.close()

    def _step(self, moment):
        weights, step = _weights(moment.model), moment.step
        self._writer.add_scalar("step/loss", moment.loss, step)
        for name, before in self._before.items():
            ratio = (weights[name] - before).norm() / before.norm()
            self._writer.add_scalar(f"update to weight/{name}", ratio, step)
        # the schedule has moved on already: this is the rate that the next step will use
        rate = moment.optimizer.param_groups[0]["lr"]
        self._writer.add_scalar("step/learning rate", rate, step + 1)
        self._before = {name: weight.clone() for name, weight in weights.items()}

    def _epoch(self, moment):
        for quantity in ("loss", "accuracy"):
            for split in ("train", "valid"):
                values = getattr(moment.history, f"{split}_{quantity}")
                if values:
                    self._writer.add_scalar(f"{quantity}/{split}", values[-1], moment.step)
        for name, parameter in moment.model.named_parameters():
            self._writer.add_histogram(f"weights/{name}", parameter, moment.step)
            if parameter.grad is not None:
                self._writer.add_histogram(f"gradients/{name}", parameter.grad, moment.step)
        filters = [w for w in _weights(moment.model).values() if w.ndim == 4][:1]
        if filters:
            pictures = list(filters[0][:, 0].cpu().numpy())
            titles = [f"filter {i}" for i in range(len(pictures))]
            self._writer.add_figure("filters", _grid(pictures, titles), moment.step)
        self._writer.add_figure("mistakes", self._mistakes(moment.model), moment.step)
        self._writer.flush()

    def _mistakes(self, model):
        answers, y = predict(model, self.x).argmax(dim=1), self.y.cpu()
        wrong = (answers != y).nonzero().flatten()[:12].tolist()
        pictures = [self.x[i].cpu().movedim(0, -1).squeeze(-1).numpy() for i in wrong]
        titles = [f"{int(y[i])}, read as {int(answers[i])}" for i in wrong]
        return _grid(pictures, titles)

    def _graph(self, model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that its way to trace will be replaced
            self._writer.add_graph(model, self.x[:1].to(device_of(model)))


def _empty_folder(folder):
    """Make the folder, or say at once why no log can be written there."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(
            error.errno,
            f"TensorBoard's log cannot be written: {error.strerror}; choose another folder",
            str(folder),
        ) from error
    if next(folder.glob("events.out.tfevents.*"), None):
        raise FileExistsError(
            f"{folder} holds the log of a training, and TensorBoard would draw two as one: give "
            "each training a folder of its own"
        )
    return folder


def _weights(model):
    """Give the parameters of several axes; biases start near 0, so their ratio would say little."""
    return {name: p.detach() for name, p in model.named_parameters() if p.ndim > 1}


def _grid(pictures, titles):
    from matplotlib.figure import Figure

    rows = max(1, -(-len(pictures) // 4))
    figure = Figure(figsize=(7, 1.9 * rows), layout="constrained")
    for ax in figure.subplots(rows, 4, squeeze=False).flat:
        ax.set_axis_off()
    for ax, picture, title in zip(figure.axes, pictures, titles, strict=False):
        picture = picture - picture.min()
        ax.imshow(picture / max(picture.max(), 1e-12), cmap="gray", interpolation="nearest")
        ax.set_title(title)
    return figure
