"""What a drawing shows, read back from its axes."""


def words(ax):
    """List the texts that stand on the axes."""
    return [text.get_text() for text in ax.texts if text.get_text()]


def bounds(ax):
    """List the (x, y, width, height) of the patches."""
    return [patch.get_bbox().bounds for patch in ax.patches]


def cells(ax, **properties):
    """List the centers (x, y) of the cells that look like this."""
    return [
        tuple(round(corner + 0.45, 3) for corner in patch.get_xy())
        for patch in ax.patches
        if all(getattr(patch, f"get_{name}")() == value for name, value in properties.items())
    ]
