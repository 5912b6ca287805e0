"""The settings of each experiment, its seeds, and the module that trains them."""

from itertools import product

from experiments import cifar10, gray, numpy_mnist
from experiments.cifar10 import Setting

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

# By the number of training images; the smaller a set, the more often it is gone through.
MLP_OR_CNN_SIZES = {
    500: {"epochs": 30, "batch_size": 16},
    5_000: {"epochs": 12, "batch_size": 64},
    55_000: {"epochs": 6, "batch_size": 128},
}
ARMS = {
    "LeNet, as they are": {"network": "lenet"},
    "LeNet, permuted": {"network": "lenet", "permuted": True},
    "MLP, as they are": {"network": "mlp"},
    "MLP, permuted": {"network": "mlp", "permuted": True},
}
LARGE_MLP = {"network": "mlp", "model": {"hidden": [512, 256]}}


def mlp_or_cnn(arm, n_images, rate):
    """Make a setting that differs from the others of its size in network, pixels and rate only."""
    size = MLP_OR_CNN_SIZES[n_images]
    return gray.Setting(n_images=n_images, learning_rate=rate, **size, **arm)


# Three rates for each arm, with a seed that is not used afterwards.
RATES = (1e-3, 3e-3, 1e-2)
MLP_OR_CNN_RATES = {
    f"{name}, {n_images:,} images, rate {rate:g}": mlp_or_cnn(arm, n_images, rate)
    for n_images, (name, arm), rate in product(MLP_OR_CNN_SIZES, ARMS.items(), RATES)
} | {
    f"large MLP, as they are, 55,000 images, rate {rate:g}": mlp_or_cnn(LARGE_MLP, 55_000, rate)
    for rate in RATES
}

# The best of them on the validation images.
BEST_RATES = {
    55_000: {
        "LeNet, as they are": 0.01,
        "LeNet, permuted": 0.01,
        "MLP, as they are": 0.01,
        "MLP, permuted": 0.01,
        "large MLP, as they are": 0.003,
    },
    5_000: {
        "LeNet, as they are": 0.01,
        "LeNet, permuted": 0.003,
        "MLP, as they are": 0.01,
        "MLP, permuted": 0.01,
    },
    500: {
        "LeNet, as they are": 0.003,
        "LeNet, permuted": 0.003,
        "MLP, as they are": 0.003,
        "MLP, permuted": 0.003,
    },
}
MLP_OR_CNN = {
    f"{name}, {n_images:,} images": mlp_or_cnn(
        {**ARMS, "large MLP, as they are": LARGE_MLP}[name], n_images, rate
    )
    for n_images, rates in BEST_RATES.items()
    for name, rate in rates.items()
}

EXPERIMENTS = {
    "color": (cifar10, COLOR, range(3)),
    "gray_or_rgb": (cifar10, GRAY_OR_RGB, range(5)),
    "training_images": (cifar10, TRAINING_IMAGES, range(3)),
    "remedies": (cifar10, REMEDIES, range(3)),
    "mlp_or_cnn_rates": (gray, MLP_OR_CNN_RATES, range(5, 6)),
    "mlp_or_cnn": (gray, MLP_OR_CNN, range(5)),
    "numpy_augmentation": (numpy_mnist, AUGMENTATION, range(1)),
    "numpy_kernels": (numpy_mnist, KERNELS, range(2)),
    "numpy_deep": (numpy_mnist, DEEP, range(1)),
}
