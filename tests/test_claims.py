import numpy as np
import pytest

from lenet_course.claims import claim


@pytest.mark.parametrize("holds", [True, np.True_, np.array([1, 2]).max() == 2])
def test_a_true_sentence_is_printed(capsys, holds):
    claim("two is more than one", holds)
    assert capsys.readouterr().out == "✔ two is more than one\n"


@pytest.mark.parametrize("holds", [False, np.False_])
def test_a_false_sentence_fails_and_is_named(capsys, holds):
    with pytest.raises(AssertionError, match="one is more than two"):
        claim("one is more than two", holds)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("holds", [np.array([True, True]), 0.99, None, "yes", 1])
def test_what_is_no_truth_value_is_refused(holds):
    with pytest.raises(TypeError, match="True or False"):
        claim("the network is good", holds)
