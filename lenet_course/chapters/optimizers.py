"""For the chapter Optimizers."""

from lenet_course.checks import Case, run_cases


def check_nesterov_steps(function):
    """Check that ``function(grads, lr, beta)`` gives the steps of PyTorch's Nesterov momentum."""
    cases = [
        Case(([3.0, -2.0], 0.5, 0.0), [1.5, -1.0], "without momentum a step is lr times grad"),
        Case(([1.0], 1.0, 0.5), [1.5], "v is 1 after the gradient, and the step is g + v / 2"),
        Case(([1.0, 1, 1], 1.0, 0.5), [1.5, 1.75, 1.875], "v is 1, then 1.5, then 1.75"),
        Case(([1.0, -1, 1], 0.1, 0.5), [0.15, -0.125, 0.1375], "v is 1, then −0.5, then 0.75"),
    ]
    run_cases(function, cases)
