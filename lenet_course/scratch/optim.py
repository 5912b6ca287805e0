"""How parameters move: the names, arguments and steps of ``torch.optim``, in NumPy.

An optimizer keeps, for every parameter, what it remembers of earlier gradients. All of them
change ``parameter.data`` in place.
"""

import math

import numpy as np

from lenet_course.scratch.nn import is_parameter


class Optimizer:
    """What all optimizers share; each defines `_update`.

    Attributes
    ----------
    lr : float
        The learning rate of the next step; a schedule changes it.
    """

    def __init__(self, parameters, lr, weight_decay):
        self.parameters = list(parameters)
        if not self.parameters or not all(map(is_parameter, self.parameters)):
            raise ValueError("give an optimizer net.parameters(), a list of at least one Parameter")
        if lr < 0 or weight_decay < 0:
            raise ValueError(f"lr={lr} and weight_decay={weight_decay} must not be negative")
        self.lr, self.weight_decay, self.steps = lr, weight_decay, 0
        self.memory = [{} for _ in self.parameters]

    def step(self):
        """Move every parameter that has a gradient.

        Raises
        ------
        RuntimeError
            If none has one: the backward pass is missing.
        """
        if all(parameter.grad is None for parameter in self.parameters):
            raise RuntimeError("no parameter has a gradient; call net.backward(...) before step()")
        self.steps += 1
        for parameter, memory in zip(self.parameters, self.memory, strict=True):
            if parameter.grad is not None:
                self._update(parameter, memory)

    def zero_grad(self):
        """Forget all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    def _decayed(self, parameter):
        """Give the gradient, with that of the penalty weight_decay / 2 · ‖data‖² added."""
        if not self.weight_decay:
            return parameter.grad
        return parameter.grad + self.weight_decay * parameter.data


class SGD(Optimizer):
    """Gradient descent, with momentum if asked.

    Without momentum, data -= lr · grad. With it, a velocity is kept::

        velocity = momentum · velocity + grad
        data -= lr · velocity                          (Nesterov: grad + momentum · velocity)

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    momentum : float
        Share of the velocity that is kept.
    weight_decay : float
    nesterov : bool
        Look one step of the velocity ahead; needs a momentum.

    References
    ----------
    Polyak (1964), "Some methods of speeding up the convergence of iteration methods". Sutskever,
    Martens, Dahl, Hinton (2013), "On the importance of initialization and momentum in deep
    learning", ICML; PyTorch's variant multiplies by lr after adding up.

    Examples
    --------
    >>> from lenet_course.scratch.nn import Parameter
    >>> w = Parameter(np.array([1.0]))
    >>> w.grad = np.array([0.5])
    >>> SGD([w], lr=0.1).step()
    >>> w.data
    array([0.95])
    """

    def __init__(self, parameters, lr=1e-3, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(parameters, lr, weight_decay)
        if nesterov and momentum <= 0:
            raise ValueError(f"nesterov looks ahead along the momentum, but momentum={momentum}")
        self.momentum, self.nesterov = momentum, nesterov

    def _update(self, parameter, memory):
        step = self._decayed(parameter)
        if self.momentum:
            velocity = self.momentum * memory.get("velocity", 0) + step
            memory["velocity"] = velocity
            step = step + self.momentum * velocity if self.nesterov else velocity
        parameter.data -= self.lr * step


class Adagrad(Optimizer):
    """Divide each number's step by the root of the sum of its squared gradients so far.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    weight_decay : float
    eps : float
        Keeps the first steps from a division by zero.

    References
    ----------
    Duchi, Hazan, Singer (2011), "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12.

    Examples
    --------
    The first step is as long as `lr`, whatever the gradient:

    >>> from lenet_course.scratch.nn import Parameter
    >>> w = Parameter(np.array([1.0, 1.0]))
    >>> w.grad = np.array([0.5, -50.0])
    >>> Adagrad([w], lr=0.1).step()
    >>> w.data
    array([0.9, 1.1])
    """

    def __init__(self, parameters, lr=1e-2, weight_decay=0.0, eps=1e-10):
        super().__init__(parameters, lr, weight_decay)
        self.eps = eps

    def _update(self, parameter, memory):
        grad = self._decayed(parameter)
        memory["squares"] = memory.get("squares", 0) + grad * grad
        parameter.data -= self.lr * grad / (np.sqrt(memory["squares"]) + self.eps)


class RMSprop(Optimizer):
    """Divide each number's step by the root of a running mean of its squared gradients.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    alpha : float
        Share of the running mean that is kept.
    eps : float
    weight_decay : float
    momentum : float

    References
    ----------
    Tieleman, Hinton (2012), "Lecture 6.5: rmsprop", COURSERA: Neural networks for machine
    learning.

    Examples
    --------
    >>> from lenet_course.scratch.nn import Parameter
    >>> w = Parameter(np.array([1.0]))
    >>> w.grad = np.array([0.5])
    >>> RMSprop([w], lr=0.1, alpha=0.75).step()
    >>> w.data.round(6)
    array([0.8])
    """

    def __init__(self, parameters, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(parameters, lr, weight_decay)
        self.alpha, self.eps, self.momentum = alpha, eps, momentum

    def _update(self, parameter, memory):
        grad = self._decayed(parameter)
        squares = self.alpha * memory.get("squares", 0) + (1 - self.alpha) * grad * grad
        memory["squares"] = squares
        step = grad / (np.sqrt(squares) + self.eps)
        if self.momentum:
            step = memory["velocity"] = self.momentum * memory.get("velocity", 0) + step
        parameter.data -= self.lr * step


class Adam(Optimizer):
    """Momentum and a running mean of squares at once, both corrected for their start at 0.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    betas : (float, float)
        Shares that the running means of the gradients and of their squares keep.
    eps : float
    weight_decay : float

    References
    ----------
    Kingma, Ba (2015), "Adam: a method for stochastic optimization", ICLR, algorithm 1.

    Examples
    --------
    >>> from lenet_course.scratch.nn import Parameter
    >>> w = Parameter(np.array([1.0, 1.0]))
    >>> w.grad = np.array([0.5, -50.0])
    >>> Adam([w], lr=0.1).step()
    >>> w.data.round(6)
    array([0.9, 1.1])
    """

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay)
        self.betas, self.eps = tuple(betas), eps

    def _update(self, parameter, memory):
        self._adapt(parameter, memory, self._decayed(parameter))

    def _adapt(self, parameter, memory, grad):
        beta_1, beta_2 = self.betas
        if not memory:
            memory |= {"mean": np.zeros_like(grad), "squares": np.zeros_like(grad), "steps": 0}
        memory["steps"] += 1
        mean, squares = memory["mean"], memory["squares"]
        mean += (1 - beta_1) * (grad - mean)
        squares += (1 - beta_2) * (grad * grad - squares)
        correction = 1 - beta_1 ** memory["steps"]
        root = np.sqrt(squares) / math.sqrt(1 - beta_2 ** memory["steps"]) + self.eps
        parameter.data -= self.lr / correction * mean / root


class AdamW(Adam):
    """Adam that shrinks the data themselves, data -= lr · weight_decay · data.

    Parameters
    ----------
    parameters : iterable of Parameter
    lr : float
    betas : (float, float)
    eps : float
    weight_decay : float

    References
    ----------
    Loshchilov, Hutter (2019), "Decoupled weight decay regularization", ICLR, algorithm 2.

    Examples
    --------
    >>> from lenet_course.scratch.nn import Parameter
    >>> w = Parameter(np.array([1.0]))
    >>> w.grad = np.array([0.0])
    >>> AdamW([w], lr=0.1, weight_decay=0.5).step()
    >>> w.data
    array([0.95])
    """

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _update(self, parameter, memory):
        parameter.data *= 1 - self.lr * self.weight_decay
        self._adapt(parameter, memory, parameter.grad)


class OneCycleLR:
    """Let the learning rate rise from max_lr / 25 to max_lr and fall to nearly 0, along cosines.

    The momentum, or Adam's first beta, does the opposite: it falls from 0.95 to 0.85 and rises
    again (an SGD without momentum gets one by this, as in PyTorch). Call `step` after every step
    of the optimizer.

    Parameters
    ----------
    optimizer : Optimizer
    max_lr : float
        The highest learning rate.
    total_steps : int
        Number of training steps in all.

    Raises
    ------
    ValueError
        If `total_steps` is below 1, or `step` is called more often than that. The last of these
        calls sets a rate that no step uses; it is allowed, so that a loop needs no exception.

    References
    ----------
    Smith, Topin (2019), "Super-convergence". The defaults are those of
    ``torch.optim.lr_scheduler.OneCycleLR``.

    Examples
    --------
    >>> from lenet_course.scratch.nn import Parameter
    >>> optimizer = SGD([Parameter(np.ones(1))])
    >>> schedule = OneCycleLR(optimizer, max_lr=1.0, total_steps=10)
    >>> print(f"{optimizer.lr:.2f}")
    0.04
    """

    INITIAL_SHARE, FINAL_SHARE = 1 / 25, 1 / 25e4
    BASE_MOMENTUM, MAX_MOMENTUM = 0.85, 0.95
    RISING_SHARE = 0.3

    def __init__(self, optimizer, max_lr, total_steps):
        if total_steps < 1:
            raise ValueError(f"total_steps must be at least 1, got {total_steps}")
        self.optimizer, self.max_lr, self.total_steps = optimizer, max_lr, total_steps
        self.peak = self.RISING_SHARE * total_steps - 1
        self.steps = -1
        self.step()

    def step(self):
        """Set learning rate and momentum of the next step."""
        if self.steps >= self.total_steps:
            raise ValueError(f"this schedule was made for {self.total_steps} steps, not for more")
        self.steps += 1
        shares = self.INITIAL_SHARE, 1.0, self.FINAL_SHARE
        self.optimizer.lr = self.max_lr * self._along(*shares)
        momentum = self._along(self.MAX_MOMENTUM, self.BASE_MOMENTUM, self.MAX_MOMENTUM)
        if hasattr(self.optimizer, "betas"):
            self.optimizer.betas = momentum, self.optimizer.betas[1]
        elif hasattr(self.optimizer, "momentum"):
            self.optimizer.momentum = momentum

    def get_last_lr(self):
        """Give the learning rate of the next step, as a list of one."""
        return [self.optimizer.lr]

    def _along(self, start, peak, end):
        """Go from start to peak and on to the end, on two half waves of a cosine."""
        last = self.total_steps - 1
        if self.steps <= self.peak:
            low, high, share = start, peak, self.steps / self.peak
        else:
            low, high, share = peak, end, (self.steps - self.peak) / (last - self.peak)
        return high + (low - high) * (1 + math.cos(math.pi * share)) / 2
