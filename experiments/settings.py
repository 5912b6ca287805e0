"""The settings of each experiment, its seeds, and the module that trains them."""

from experiments import cifar10, color, gray, numpy_mnist
from experiments.cifar10 import Setting
from lenet_course.models import POOL

COLOR = {
    "tutorials' network": Setting(epochs=20, augment=True),
    "wider": Setting(
        epochs=20,
        augment=True,
        model={"width": 3, "batch_norm": True, "dropout": 0.3},
    ),
}

GRAY_OR_RGB = {
    f"{color}, {how}": Setting(epochs=8, gray=color == "grayscale", augment=how == "augmented")
    for how in ("as they are", "augmented")
    for color in ("RGB", "grayscale")
}


def overfitting(epochs=30, n_images=5_000, **remedy):
    """Make a setting without any remedy but those given: a constant rate and no decay."""
    plain = {"one_cycle": False, "learning_rate": 1e-3, "weight_decay": 0.0}
    return Setting(epochs=epochs, n_images=n_images, **plain | remedy)


# The smaller a set, the more often it is gone through, so that each network can learn it.
TRAINING_IMAGES = {
    f"{n_images:,} images": overfitting(epochs=epochs, n_images=n_images)
    for n_images, epochs in {500: 60, 1_500: 60, 5_000: 30, 15_000: 20, 45_000: 14}.items()
}

REMEDIES = {
    "no remedy": overfitting(),
    "augmentation": overfitting(augment=True),
    "dropout": overfitting(model={"dropout": 0.5}),
    "weight decay": overfitting(weight_decay=1.0),
    "early stopping": overfitting(patience=3),
    "batch norm": overfitting(model={"batch_norm": True}),
    "smaller network": overfitting(model={"width": 0.5}),
    "label smoothing": overfitting(label_smoothing=0.1),
    "together": overfitting(
        augment=True,
        weight_decay=1.0,
        label_smoothing=0.1,
        model={"batch_norm": True, "dropout": 0.2},
    ),
}

# Three epochs to choose by; the long training is then run with what was chosen.
AUGMENTATION = {
    "as they are": numpy_mnist.Setting(epochs=3),
    "shifts": numpy_mnist.Setting(epochs=3, shift=2),
    "shifts and rotations": numpy_mnist.Setting(epochs=3, shift=2, rotation=10.0),
}

KERNELS = {
    "six 3×3": numpy_mnist.Setting(epochs=3, shift=2),
    "three 5×5": numpy_mnist.Setting(epochs=3, shift=2, network="shallow"),
}

DEEP = {"deep network": numpy_mnist.Setting(epochs=12, shift=2, keep_weights=True)}

# VGG16 in the time that a CPU allows: the settings are common ones, not the best of many.
VGG16 = {
    "VGG16": color.Setting(
        epochs=15,
        network="vgg16",
        batch_size=128,
        optimizer="nesterov",
        learning_rate=0.05,
        weight_decay=5e-4,
        label_smoothing=0.1,
        bfloat16=True,
    )
}

# A notebook's plan, eight convolutions, and its training: Adam at a constant 0.001 on all images.
PLAN = [64, POOL, 128, POOL, 256, 256, POOL, 512, 512, POOL, 512, 512, POOL]
NOTEBOOK = {
    name: color.Setting(
        epochs=10,
        network="stack",
        model={"plan": plan, "inputs": inputs, "batch_norm": True},
        n_images=color.ALL,
        batch_size=128,
        one_cycle=False,
        learning_rate=1e-3,
        weight_decay=0.0,
        bfloat16=True,
    )
    for name, plan, inputs in (
        ("2048 inputs, without the last pooling", PLAN[:-1], 2048),
        ("512 inputs, with the last pooling", PLAN, 512),
    )
}


def depth(network="stack", rate=0.05, **model):
    """Make a setting of the comparisons of depth: three epochs on 15,000 images."""
    return color.Setting(
        epochs=3,
        network=network,
        model=model,
        n_images=15_000,
        batch_size=128,
        optimizer="nesterov",
        learning_rate=rate,
        weight_decay=5e-4,
        augment=False,
        bfloat16=True,
    )


def depth_plan(layers, maps=32):
    """Plan so many convolutions: one, a pooling, and the rest in two halves with pooling after."""
    half = layers // 2
    return [maps, POOL, *half * [maps], POOL, *(layers - 1 - half) * [maps], POOL]


RATES = (0.0125, 0.05, 0.2)  # each arm gets the best of them, by its validation images
ACTIVATIONS = {
    "sigmoid": {"activation": "sigmoid", "batch_norm": False},
    "ReLU": {"batch_norm": False},
    "ReLU and batch norm": {"batch_norm": True},
}

DEPTH = {
    f"{name}, {layers} layers, rate {rate}": depth(
        rate=rate, plan=depth_plan(layers), inputs=512, **arm
    )
    for layers in (8, 4, 2)
    for name, arm in ACTIVATIONS.items()
    for rate in (RATES if layers < 8 or name == "sigmoid" else (*RATES, 0.8))
}

DEPTH_KERNELS = {
    f"{name}, rate {rate}": depth(
        rate=rate, plan=3 * [*stage, POOL], inputs=512, kernel_size=size, batch_norm=True
    )
    for name, stage, size in (("three 3×3", 3 * [32], 3), ("one 7×7", [32], 7))
    for rate in RATES[1:]
}

DEPTH_BRANCHES = {
    f"{name}, rate {rate}": depth("small_inception", rate, branches=branches)
    for name, branches in (("four branches", True), ("one 5×5", False))
    for rate in RATES[1:]
}

DEPTH_RESIDUAL = {
    f"{name} {'with' if norm else 'without'} batch norm, rate {rate}": depth(
        "resnet20", rate, width=8, residual=name == "residual", batch_norm=norm
    )
    for norm in (True, False)
    for name in ("plain", "residual")
    for rate in RATES[1:]
}

# As many images in batches four and sixteen times as large, with three rules for the rate.
BATCH_SCALING = {
    f"batch {64 * factor}, {rule}": gray.Setting(
        epochs=5,
        n_images=11_000,
        optimizer="sgd",
        batch_size=64 * factor,
        learning_rate=0.05 * factor**power,
    )
    for factor in (1, 4, 16)
    for rule, power in {"same rate": 0.0, "square root": 0.5, "linear": 1.0}.items()
    if factor > 1 or power == 0.0  # at the first batch size all three are one
}

EXPERIMENTS = {
    "batch_scaling": (gray, BATCH_SCALING, range(3)),
    "color": (cifar10, COLOR, range(3)),
    "gray_or_rgb": (cifar10, GRAY_OR_RGB, range(5)),
    "training_images": (cifar10, TRAINING_IMAGES, range(3)),
    "remedies": (cifar10, REMEDIES, range(3)),
    "numpy_augmentation": (numpy_mnist, AUGMENTATION, range(1)),
    "numpy_kernels": (numpy_mnist, KERNELS, range(2)),
    "numpy_deep": (numpy_mnist, DEEP, range(1)),
}

# Not all of their runs are stored yet. The tests take an experiment up once it stands above.
UNDER_WAY = {
    "vgg16": (color, VGG16, range(1)),
    "vgg_notebook": (color, NOTEBOOK, range(1)),
    "depth": (color, DEPTH, range(3)),
    "depth_kernels": (color, DEPTH_KERNELS, range(3)),
    "depth_branches": (color, DEPTH_BRANCHES, range(3)),
    "depth_residual": (color, DEPTH_RESIDUAL, range(3)),
}
