"""Check a gradient against central differences: change a number a little, look at the loss.

The difference of two losses needs all digits of float64; float32 would round it away.
"""

from dataclasses import dataclass

import numpy as np

from lenet_course.arguments import real_number


@dataclass(frozen=True)
class Report:
    """How well a computed gradient agrees with central differences, in its worst element."""

    name: str  # of the array, such as "x" or "0.weight"
    index: tuple
    computed: float
    measured: float
    error: float  # |computed − measured| / the array's largest gradient, or 1 if that is larger
    elements: int  # how many were compared
    tolerance: float  # the largest error that passes

    @property
    def passed(self):
        """Whether the worst error is within the tolerance."""
        return bool(self.error <= self.tolerance)

    def __str__(self):
        place = f"{self.name}[{', '.join(map(str, self.index))}]"
        verdict = "✔" if self.passed else "✘"
        return (
            f"{verdict} {self.elements} elements; the worst is {place}: computed "
            f"{self.computed:.6g}, measured {self.measured:.6g}, error {self.error:.1e}"
        )

    __repr__ = __str__


def numerical_gradient(function, x, step=1e-5):
    """Measure the gradient of a function of an array: (f(x + step) − f(x − step)) / (2 step).

    Parameters
    ----------
    function : callable
        ``function()`` gives one number and depends on `x`, which is changed in place and put back.
    x : numpy.ndarray of float64
    step : float
        Its square is about the error of the formula, and 1e-16 / step that of rounding.

    Examples
    --------
    >>> x = np.array([1.0, 2.0])
    >>> numerical_gradient(lambda: (x**2).sum(), x).round(6)
    array([2., 4.])
    """
    if not isinstance(x, np.ndarray) or x.dtype != np.float64:
        raise TypeError(
            f"central differences need an array of float64, got {getattr(x, 'dtype', type(x))}; "
            "convert it: x.astype(np.float64), or net.double()"
        )
    step = real_number("step", step, least=1e-12)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        above = function()
        x[index] = before - step
        gradient[index] = (above - function()) / (2 * step)
        x[index] = before
    return gradient


def compare(computed, measured, tolerance=1e-6):
    """Find the element in which two dicts of gradients, by name, differ most.

    >>> compare({"x": np.array([1.0, 2.5])}, {"x": np.array([1.0, 2.0])})
    ✘ 2 elements; the worst is x[1]: computed 2.5, measured 2, error 2.5e-01
    """
    worst, elements = None, 0
    for name, theirs in measured.items():
        ours = np.asarray(computed.get(name))
        if ours.shape != theirs.shape:
            raise ValueError(
                f"the gradient of {name} is {ours.shape}, but {name} is {theirs.shape}"
            )
        elements += theirs.size
        if theirs.size == 0:
            continue
        error = np.abs(ours - theirs) / max(1.0, np.abs(theirs).max())
        error = np.where(np.isnan(error), np.inf, error)
        index = np.unravel_index(error.argmax(), error.shape)
        if worst is None or error[index] > worst[0]:
            worst = error[index], name, index, ours[index], theirs[index]
    if worst is None:
        raise ValueError("there is no gradient to compare")
    error, name, index, ours, theirs = worst
    index = tuple(map(int, index))
    return Report(name, index, float(ours), float(theirs), float(error), elements, tolerance)


def gradcheck(layer, x, generator, step=1e-5, tolerance=1e-6):
    """Check the gradient of every number in the input and the parameters of a layer or network.

    The loss is the sum of the outputs, each times a random number, so that errors in different
    outputs don't cancel. Gradients are forgotten; all else is left as it was.

    Parameters
    ----------
    layer : Module of `lenet_course.scratch.nn`, in float64
        Without dropout, or in evaluation mode.
    x : array_like of float64
        A small batch.
    generator : numpy.random.Generator or seed
    step, tolerance : float

    Returns
    -------
    Report
        Prints as one line that names the worst element.

    Raises
    ------
    TypeError
        If `x` or a parameter is not float64.
    ValueError
        If the layer gives another output each time.

    Examples
    --------
    >>> from lenet_course.scratch import nn
    >>> layer = nn.Linear(3, 2, dtype=np.float64)
    >>> report = gradcheck(layer, np.ones((4, 3)), generator=0)
    >>> report.passed, report.elements
    (True, 20)
    """
    x = np.array(x)
    before = layer.state_dict()
    parameters = dict(layer.named_parameters())
    for parameter in parameters.values():
        parameter.grad = None
    out = layer(x)
    if not np.allclose(out, layer(x), equal_nan=True):
        raise ValueError(f"{layer!r} gives another output each time; use layer.eval()")
    weights = np.random.default_rng(generator).standard_normal(out.shape)

    def loss():
        return float((layer(x) * weights).sum())

    computed = {"x": layer.backward(weights)}
    computed |= {key: parameter.grad for key, parameter in parameters.items()}
    arrays = {"x": x} | {key: parameter.data for key, parameter in parameters.items()}
    measured = {key: numerical_gradient(loss, array, step) for key, array in arrays.items()}
    layer.load_state_dict(before)  # batch norm tracked every pass
    for parameter in parameters.values():
        parameter.grad = None
    return compare(computed, measured, tolerance)
