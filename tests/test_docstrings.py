"""The examples in the docstrings run as written."""

import doctest
import importlib
import pkgutil

import pytest

import lenet_course

MODULES = sorted(m.name for m in pkgutil.walk_packages(lenet_course.__path__, "lenet_course."))


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    modules = [importlib.import_module(name) for name in MODULES]
    assert sum(bool(test.examples) for module in modules for test in finder.find(module)) > 20
