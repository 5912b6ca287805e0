"""Plain stacks of convolutions by a plan, and VGG16 for 32×32 images."""

from torch import nn

from lenet_course.arguments import whole_number
from lenet_course.models.build import choose, seeded
from lenet_course.models.lenet import ACTIVATIONS

POOL = "pool"
VGG16 = (64, 64, POOL, 128, 128, POOL, 256, 256, 256, POOL, *2 * (512, 512, 512, POOL))


def stack(plan, inputs, kernel_size=3, activation="relu", batch_norm=True, seed=None):
    """Convolutions and poolings in the order of a plan, then one linear layer to 10 logits.

    The convolutions' weights are drawn by He's rule for ReLU and by Xavier's for the others, since
    PyTorch's own default lets the signal fade in a deep stack; their biases start at 0. The linear
    layer has PyTorch's default, so that the first logits are small.

    Parameters
    ----------
    plan : sequence of int or POOL
        A number is a convolution with so many maps, padded to keep the size, and an activation;
        `POOL` is a 2×2 max pooling. The images have 3 channels.
    inputs : int
        What the linear layer expects: maps × height × width of what the plan ends with. It is
        not compared with the plan: a wrong number shows when the first images come.
    kernel_size : int
        Of each convolution; odd.
    activation : {"relu", "sigmoid", "tanh"}
    batch_norm : bool
        Normalize after each convolution, which then has no bias of its own.
    seed : int, optional
    """
    inputs, kernel_size = whole_number("inputs", inputs), whole_number("kernel_size", kernel_size)
    act = getattr(nn, choose("activation", activation, ACTIVATIONS))
    maps = [whole_number("maps", n) for n in plan if n != POOL]
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size={kernel_size} is even: padding it would change the size")

    def build():
        channels = iter([3, *maps])
        layers = []
        for step in plan:
            if step == POOL:
                layers.append(nn.MaxPool2d(kernel_size=2))
                continue
            norm = [nn.BatchNorm2d(step)] if batch_norm else []
            pad, bias = kernel_size // 2, not batch_norm
            conv = nn.Conv2d(next(channels), step, kernel_size, padding=pad, bias=bias)
            layers += [conv, *norm, act()]
        net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs, 10))
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                _draw(layer, activation)
        return net

    return seeded(seed, build)


def _draw(layer, activation):
    """Draw a convolution's weights by He's rule for ReLU, else by Xavier's; its bias becomes 0."""
    if activation == "relu":
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    else:
        nn.init.xavier_normal_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


def vgg16(last_pool=True, classifier_inputs=512, seed=None):
    """VGG16 for 32×32 color images of 10 classes, with one linear layer as its classifier.

    With the defaults it has thirteen convolutions, five poolings and 14,724,042 parameters. The
    plan is D of Simonyan, Zisserman (2015), "Very deep convolutional networks for large-scale
    image recognition", ICLR, whose images had 224×224 pixels and whose classifier three layers;
    batch norm came later.

    Parameters
    ----------
    last_pool : bool
        Keep the fifth pooling, after which 512 numbers are left of an image; without it 2048.
    classifier_inputs : int
        What the classifier expects; see `stack`.
    seed : int, optional
    """
    return stack(VGG16 if last_pool else VGG16[:-1], classifier_inputs, seed=seed)
