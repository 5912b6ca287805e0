"""Check a gradient against central differences: nudge a number, look at what the loss does."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Report:
    """How well a computed gradient agrees with central differences.

    Attributes
    ----------
    name : str
        Of the array in which the worst element stands, such as "x" or "0.weight".
    index : tuple of int
        Place of the worst element.
    computed, measured : float
        Its gradient from the formula, and from central differences.
    error : float
        ``|computed − measured|`` relative to the largest gradient of the array, or to 1 if that
        is smaller.
    elements : int
        Number of elements that were compared.
    tolerance : float
        The largest error that passes.
    """

    name: str
    index: tuple
    computed: float
    measured: float
    error: float
    elements: int
    tolerance: float

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
        ``function()`` gives one number and depends on `x`, which is nudged in place and put back.
    x : numpy.ndarray of float64
    step : float
        Its square is about the error of the formula, and 1e-16 / step that of rounding.

    Returns
    -------
    numpy.ndarray, in the shape of `x`

    Raises
    ------
    TypeError
        If `x` is no array of float64; float32 would round the difference away.

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
    """Find the element in which two sets of gradients differ most.

    Parameters
    ----------
    computed, measured : dict of str to numpy.ndarray
        Gradients by name, with the same names and shapes.
    tolerance : float
        The largest error that passes.

    Returns
    -------
    Report

    Raises
    ------
    ValueError
        If a shape differs, or there is nothing to compare.

    Examples
    --------
    >>> compare({"x": np.array([1.0, 2.5])}, {"x": np.array([1.0, 2.0])})
    ✘ 2 elements; the worst is x[1]: computed 2.5, measured 2, error 2.5e-01
    """
    worst, elements = None, 0
    for name, theirs in measured.items():
        ours = np.asarray(computed[name])
        if ours.shape != theirs.shape:
            raise ValueError(
                f"the gradient of {name} is {ours.shape}, but {name} is {theirs.shape}"
            )
        elements += theirs.size
        if theirs.size == 0:
            continue
        error = np.abs(ours - theirs) / max(1.0, np.abs(theirs).max())
        index = np.unravel_index(
            np.nanargmax(np.where(np.isnan(error), np.inf, error)), error.shape
        )
        found = (error[index], name, tuple(map(int, index)), ours[index], theirs[index])
        if worst is None or not found[0] <= worst[0]:
            worst = found
    if worst is None:
        raise ValueError("there is no gradient to compare")
    error, name, index, ours, theirs = worst
    return Report(name, index, float(ours), float(theirs), float(error), elements, tolerance)


def gradcheck(layer, x, generator, step=1e-5, tolerance=1e-6):
    """Check every gradient of a layer or a network, by nudging input and parameters one by one.

    The loss is the sum of the outputs, each times a random number, so that errors in different
    outputs don't cancel.

    Parameters
    ----------
    layer : Module of `lenet_course.scratch.nn`, in float64
        Without dropout, or in evaluation mode: it must do the same each time. Its gradients are
        reset.
    x : numpy.ndarray of float64
        A small batch.
    generator : numpy.random.Generator
    step, tolerance : float
        See `numerical_gradient` and `compare`.

    Returns
    -------
    Report
        Prints as one line that names the worst element.

    Raises
    ------
    TypeError
        If `x` or a parameter is not float64.

    Examples
    --------
    >>> from lenet_course.scratch import nn
    >>> layer = nn.Linear(3, 2, dtype=np.float64)
    >>> report = gradcheck(layer, np.ones((4, 3)), np.random.default_rng(0))
    >>> report.passed, report.elements
    (True, 20)
    """
    x = np.array(x)
    arrays = {"x": x}
    for key, owner, name in layer.slots():
        if hasattr(owner, "grad"):
            owner.grad = None
            arrays[key] = getattr(owner, name)
    weights = generator.standard_normal(layer(x).shape)
    computed = {"x": layer.backward(weights)}
    for key, owner, _ in layer.slots():
        if hasattr(owner, "grad"):
            computed[key], owner.grad = owner.grad, None

    def loss():
        return float((layer(x) * weights).sum())

    measured = {key: numerical_gradient(loss, array, step) for key, array in arrays.items()}
    return compare(computed, measured, tolerance)
