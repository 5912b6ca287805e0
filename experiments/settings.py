"""The settings of each experiment, its seeds, and the module that trains them."""

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


def fashion(rate, epochs=10, n_images=55_000, optimizer="sgd", **changes):
    """Make a setting of the textbook's recipe for Fashion-MNIST, as far as nothing is changed."""
    plain = {"data": "fashion_mnist", "normalized": False, "initialization": "xavier"}
    plain |= {"batch_size": 256, "model": {"activation": "sigmoid", "pooling": "average"}}
    return gray.Setting(
        epochs=epochs,
        n_images=n_images,
        optimizer=optimizer,
        learning_rate=rate,
        **plain | changes,
    )


# As the textbook has it, on all training images, and at a ninth of its learning rate.
TEXTBOOK = {"rate 0.9": fashion(0.9, n_images=gray.ALL)}
SLOW = {"rate 0.1": fashion(0.1, n_images=gray.ALL)}

# Each change keeps those above it.
CHANGES = {
    "recipe": {},
    "ReLU": {"model": {"pooling": "average"}},
    "max pooling": {"model": {}},
    "AdamW, one cycle": {"model": {}, "optimizer": "adamw"},
    "batch norm": {"model": {"batch_norm": True}, "optimizer": "adamw"},
}

# The rates that did best in FASHION_RATES below; 0.9 is the textbook's.
CHOSEN = dict(zip(CHANGES, (0.9, 0.3, 0.3, 0.008, 0.008), strict=True))
FASHION_CHANGES = {name: fashion(CHOSEN[name], **changes) for name, changes in CHANGES.items()}
FASHION_CHANGES["flips, shifts, 15 epochs"] = fashion(
    CHOSEN["batch norm"], epochs=15, augment="flip and shift", **CHANGES["batch norm"]
)

# By these the rates were chosen, with a seed that is used for nothing else.
FASHION_RATES = {
    f"{change}, rate {rate}": fashion(rate, epochs=5, **changes)
    for change, changes in CHANGES.items()
    if change != "recipe"
    for rate in ((0.002, 0.004, 0.008) if "optimizer" in changes else (0.1, 0.3, 0.9))
}

# The network of 1998 and today's, trained in the same way.
LENET_1998 = {
    "of 1998": gray.Setting(epochs=12, network="lenet5_1998", normalized=False, augment="shift"),
    "of today": gray.Setting(epochs=12, augment="shift"),
}

EXPERIMENTS = {
    "color": (cifar10, COLOR, range(3)),
    "gray_or_rgb": (cifar10, GRAY_OR_RGB, range(5)),
    "training_images": (cifar10, TRAINING_IMAGES, range(3)),
    "remedies": (cifar10, REMEDIES, range(3)),
    "textbook": (gray, TEXTBOOK, range(5)),
    "textbook_slow": (gray, SLOW, range(2)),
    "fashion_rates": (gray, FASHION_RATES, [100]),
    "fashion_changes": (gray, FASHION_CHANGES, range(3)),
    "lenet_1998": (gray, LENET_1998, range(3)),
    "numpy_augmentation": (numpy_mnist, AUGMENTATION, range(1)),
    "numpy_kernels": (numpy_mnist, KERNELS, range(2)),
    "numpy_deep": (numpy_mnist, DEEP, range(1)),
}
