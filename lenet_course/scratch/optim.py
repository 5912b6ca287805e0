"""How parameters move: the names, arguments and steps of ``torch.optim``, in NumPy.

An optimizer takes ``net.parameters()`` and a learning rate, changes ``parameter.data`` in place,
and keeps in `state`, for every parameter, what it remembers of earlier gradients. Each has a
`weight_decay`; `eps` keeps a first step from a division by zero.
"""

import math

import numpy as np

from lenet_course.arguments import real_number, whole_number
from lenet_course.scratch.nn import Parameter


class Optimizer:
    """What all optimizers share; each defines `_update`.

    A schedule changes `lr`, the learning rate of the next step.
    """

    def __init__(self, parameters, lr, weight_decay):
        self.parameters = list(parameters)
        if not self.parameters or not all(isinstance(p, Parameter) for p in self.parameters):
            raise ValueError("give an optimizer net.parameters(), a list of at least one Parameter")
        self.lr = real_number("lr", lr)
        self.weight_decay = real_number("weight_decay", weight_decay)
        self.state = [{} for _ in self.parameters]

    def step(self):
        """Move every parameter that has a gradient; if none has, the backward pass is missing."""
        if all(parameter.grad is None for parameter in self.parameters):
            raise RuntimeError("no parameter has a gradient; call net.backward(...) before step()")
        for parameter, state in zip(self.parameters, self.state, strict=True):
            if parameter.grad is not None:
                if np.shape(parameter.grad) != parameter.data.shape:
                    raise ValueError(
                        f"the gradient of {parameter} has the shape {np.shape(parameter.grad)}"
                    )
                self._update(parameter, state)

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

    Without momentum, ``data -= lr · grad``. With it, a velocity is kept::

        velocity = momentum · velocity + grad
        data -= lr · velocity

    Nesterov's variant steps by grad + momentum · velocity instead of the velocity.

    Polyak (1964), "Some methods of speeding up the convergence of iteration methods"; Sutskever,
    Martens, Dahl, Hinton (2013), "On the importance of initialization and momentum in deep
    learning", ICML. PyTorch's variant multiplies by lr after adding up.

    Examples
    --------
    >>> w = Parameter(np.array([1.0]))
    >>> w.grad = np.array([0.5])
    >>> SGD([w], lr=0.1).step()
    >>> w.data
    array([0.95])
    """

    def __init__(self, parameters, lr=1e-3, momentum=0.0, weight_decay=0.0, nesterov=False):
        super().__init__(parameters, lr, weight_decay)
        self.momentum, self.nesterov = real_number("momentum", momentum, below=1), nesterov
        if nesterov and momentum == 0:
            raise ValueError(
                f"nesterov looks ahead along the momentum, but momentum={momentum}; give one, "
                "such as momentum=0.9"
            )

    def _update(self, parameter, state):
        step = self._decayed(parameter)
        if self.momentum:
            velocity = self.momentum * state.get("velocity", 0) + step
            state["velocity"] = velocity
            step = step + self.momentum * velocity if self.nesterov else velocity
        parameter.data -= self.lr * step


class Adagrad(Optimizer):
    """Divide each number's step by the root of the sum of its squared gradients so far.

    Duchi, Hazan, Singer (2011), "Adaptive subgradient methods for online learning and stochastic
    optimization", JMLR 12.
    """

    def __init__(self, parameters, lr=1e-2, weight_decay=0.0, eps=1e-10):
        super().__init__(parameters, lr, weight_decay)
        self.eps = real_number("eps", eps)

    def _update(self, parameter, state):
        grad = self._decayed(parameter)
        state["squares"] = state.get("squares", 0) + grad * grad
        parameter.data -= self.lr * grad / (np.sqrt(state["squares"]) + self.eps)


class RMSprop(Optimizer):
    """Divide each number's step by the root of a running mean of its squared gradients.

    The mean keeps the share `alpha` at each step.

    Tieleman, Hinton (2012), "Lecture 6.5: rmsprop", COURSERA: Neural networks for machine
    learning.
    """

    def __init__(self, parameters, lr=1e-2, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0):
        super().__init__(parameters, lr, weight_decay)
        self.alpha, self.eps = real_number("alpha", alpha, below=1), real_number("eps", eps)
        self.momentum = real_number("momentum", momentum, below=1)

    def _update(self, parameter, state):
        grad = self._decayed(parameter)
        squares = self.alpha * state.get("squares", 0) + (1 - self.alpha) * grad * grad
        state["squares"] = squares
        step = grad / (np.sqrt(squares) + self.eps)
        if self.momentum:
            step = state["velocity"] = self.momentum * state.get("velocity", 0) + step
        parameter.data -= self.lr * step


class Adam(Optimizer):
    """Momentum and a running mean of squares at once, both corrected for their start at 0.

    The running means of the gradients and of their squares keep the two shares `betas`.

    Kingma, Ba (2015), "Adam: a method for stochastic optimization", ICLR, algorithm 1.

    Examples
    --------
    The first step is as long as `lr`, whatever the gradient:

    >>> w = Parameter(np.array([1.0, 1.0]))
    >>> w.grad = np.array([0.5, -50.0])
    >>> Adam([w], lr=0.1).step()
    >>> w.data.round(6)
    array([0.9, 1.1])
    """

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(parameters, lr, weight_decay)
        if np.shape(betas) != (2,):
            raise ValueError(f"betas={betas!r} must be two numbers, such as (0.9, 0.999)")
        self.betas = tuple(real_number(f"betas[{i}]", b, below=1) for i, b in enumerate(betas))
        self.eps = real_number("eps", eps)

    def _update(self, parameter, state):
        self._adapt(parameter, state, self._decayed(parameter))

    def _adapt(self, parameter, state, grad):
        beta_1, beta_2 = self.betas
        if not state:
            state |= {"mean": np.zeros_like(grad), "squares": np.zeros_like(grad), "steps": 0}
        state["steps"] += 1
        mean, squares = state["mean"], state["squares"]
        mean += (1 - beta_1) * (grad - mean)
        squares += (1 - beta_2) * (grad * grad - squares)
        correction = 1 - beta_1 ** state["steps"]
        root = np.sqrt(squares) / math.sqrt(1 - beta_2 ** state["steps"]) + self.eps
        parameter.data -= self.lr / correction * mean / root


class AdamW(Adam):
    """Adam that shrinks the data themselves: ``data -= lr · weight_decay · data``.

    Loshchilov, Hutter (2019), "Decoupled weight decay regularization", ICLR, algorithm 2.
    """

    def __init__(self, parameters, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2):
        super().__init__(parameters, lr, betas, eps, weight_decay)

    def _update(self, parameter, state):
        parameter.data *= 1 - self.lr * self.weight_decay
        self._adapt(parameter, state, parameter.grad)


class OneCycleLR:
    """Let the learning rate rise from max_lr / 25 to max_lr and fall to nearly 0, along cosines.

    The momentum, or Adam's first beta, does the opposite: it falls from 0.95 to 0.85 and rises
    again (an SGD without momentum gets one by this, as in PyTorch). Call `step` after every step
    of the optimizer.

    Smith, Topin (2019), "Super-convergence". The defaults are those of
    ``torch.optim.lr_scheduler.OneCycleLR``.
    """

    INITIAL_SHARE, FINAL_SHARE = 1 / 25, 1 / 25e4
    BASE_MOMENTUM, MAX_MOMENTUM = 0.85, 0.95
    RISING_SHARE = 0.3

    def __init__(self, optimizer, max_lr, total_steps):
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"give an optimizer of scratch.optim, not {type(optimizer)}")
        self.optimizer = optimizer
        self.max_lr = real_number("max_lr", max_lr)
        self.total_steps = whole_number("total_steps", total_steps)
        self.peak = self.RISING_SHARE * self.total_steps - 1
        self.steps = -1
        self.step()

    def step(self):
        """Set learning rate and momentum of the next step.

        The last of `total_steps` calls sets a rate that no step uses; it is allowed, so that a
        loop needs no exception. More calls are a ValueError.
        """
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
