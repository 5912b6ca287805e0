"""Lead a search for a word of the glossary to the section that says most about it.

Sphinx's search does not count how often a page uses a word, but it puts explicit entries of the
index first. So each word gets such an entry, in the section of the notebooks that explains it.
"""

import re
from collections import defaultdict
from types import SimpleNamespace

from docutils import nodes
from sphinx.addnodes import index, pending_xref

EXPLAIN_NOTHING = {"Summary", "Exercises", "Further reading"}


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
    pages = {page: _sections(env.get_doctree(page)) for page in sorted(notebooks)}
    words = defaultdict(list)
    for kind, word in env.get_domain("std").objects:
        if kind != "term":
            continue
        scores = {}
        for page, sections in pages.items():
            # An early chapter explains what later ones use; a reference page has no number.
            (number,) = env.toc_secnumbers.get(page, {}).get("", [0])
            for section, score in _scores(sections, word).items():
                scores[page, section] = score / (1 + 0.02 * number)
        page, section = max(scores, key=scores.get)
        if scores[page, section]:
            words[page].append((section, word))
    return words


def _scores(sections, word):
    """Rate how much each section of a page says about a word, in uses of the word.

    Half the uses on the whole page count too. A link to the glossary is worth four uses, the word
    in the heading eight, and a page that is named after it, such as "Pooling by hand", 20 more.
    """
    pattern = re.compile(rf"(?<!\w){re.escape(word)}(?:e?s)?(?!\w)", re.IGNORECASE)
    uses = {place: len(pattern.findall(section.text)) for place, section in sections.items()}
    return {
        place: uses[place]
        + sum(uses.values()) / 2
        + 4 * (word in section.linked)
        + 8 * bool(pattern.search(section.title))
        + 20 * bool(section.is_page and pattern.match(section.title))
        for place, section in sections.items()
        if section.title not in EXPLAIN_NOTHING
    }


def _sections(doctree):
    """Return by its id what each section says: title, text without code, and words it links."""
    sections = {}
    for node in doctree.findall(nodes.section):
        if isinstance(node[0], nodes.title):  # the text of an exercise is a section without one
            is_page = isinstance(node.parent, nodes.document)
            title = node[0].astext()
            sections[node] = SimpleNamespace(
                title=title.partition(":")[0] if is_page else title,
                is_page=is_page,
                text="",
                linked=set(),
            )
    for paragraph in doctree.findall(nodes.paragraph):
        node = paragraph.parent
        while node and node not in sections:
            node = node.parent
        if node:
            links = paragraph.findall(pending_xref)
            sections[node].text += paragraph.astext() + "\n"
            sections[node].linked |= {x["reftarget"] for x in links if x["reftype"] == "term"}
    return {node["ids"][0]: section for node, section in sections.items()}


def setup(app):
    """Register with Sphinx."""
    app.connect("env-get-updated", find_words, priority=900)  # once the chapters have numbers
    app.connect("doctree-resolved", index_words)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
