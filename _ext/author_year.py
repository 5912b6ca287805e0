"""The bibliography in the style of its citations: each work stands under "LeCun et al., 1998"."""

from pybtex.plugin import register_plugin
from pybtex.style.formatting.plain import Style


class AuthorYear(Style):
    """Pybtex's plain style, but for its labels and for the order, which is theirs."""

    def __init__(self, **options):
        super().__init__(**options)
        self.format_labels = lambda entries: map(_label, entries)
        self.sort = lambda entries: sorted(entries, key=lambda entry: _label(entry).lower())


def _label(entry):
    authors = entry.persons["author"]
    names = [" ".join(map(str, a.rich_prelast_names + a.rich_last_names)) for a in authors]
    shown = f"{names[0]} et al." if len(names) > 2 else " and ".join(names)
    return f"{shown}, {entry.fields['year']}"


def setup(_):
    """Register the style with Pybtex."""
    register_plugin("pybtex.style.formatting", "author_year", AuthorYear)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
