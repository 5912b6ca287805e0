"""Lead a search for a word of the glossary to the section that says most about it.

Sphinx's search does not count how often a page uses a word, but it puts explicit entries of the
index first. So each word gets such an entry, in the section of the notebooks that uses it most.
"""

import re
from collections import Counter, defaultdict

from docutils import nodes
from sphinx.addnodes import index


def find_words(app, env):
    """Have every page with entries written: of one that is not, Sphinx forgets them.

    Besides the pages with the words these are the glossary and the pages of the package.
    """
    app.words_of_pages = _words_of_pages(env)
    own = [page for page, entries in env.domaindata["index"]["entries"].items() if entries]
    return [*app.words_of_pages, *own]


def index_words(app, doctree, docname):
    """Add the entries of one page."""
    sections = {section["ids"][0]: section for section in doctree.findall(nodes.section)}
    for section, word in app.words_of_pages.get(docname, []):
        sections[section] += index(entries=[("single", word, section, "main", None)])


def _words_of_pages(env):
    """Return for each page the pairs (section, word) of the words that it explains."""
    notebooks = [page for page in env.found_docs if env.doc2path(page).endswith(".ipynb")]
    texts = {page: _texts(env.get_doctree(page)) for page in notebooks}
    words = defaultdict(list)
    for kind, word in env.get_domain("std").objects:
        if kind != "term":
            continue
        pattern = re.compile(rf"(?<!\w){re.escape(word)}(?:e?s)?(?!\w)", re.IGNORECASE)
        counts = {
            page: Counter({section: len(pattern.findall(text)) for section, text in parts.items()})
            for page, parts in texts.items()
        }
        page = max(counts, key=lambda page: counts[page].total())
        section, count = counts[page].most_common(1)[0]
        if count:
            words[page].append((section, word))
    return words


def _texts(doctree):
    """Return the text of each section, without its code and its subsections."""
    texts = defaultdict(str)
    for paragraph in doctree.findall(nodes.paragraph):
        section = paragraph.parent
        while section and not isinstance(section, nodes.section):
            section = section.parent
        if section:
            texts[section["ids"][0]] += paragraph.astext() + "\n"
    return texts


def setup(app):
    """Register with Sphinx."""
    app.connect("env-updated", find_words)
    app.connect("doctree-resolved", index_words)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
