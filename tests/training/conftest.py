"""What the tests of training share."""

import numpy as np
import pytest

import lamina as la
from lamina import nn


@pytest.fixture
def line():
    """64 samples of a linear function of two inputs, and their values."""
    X = la.random.Generator(0).normal((64, 2))
    return X, X @ la.asarray([[2.0], [-1.0]]) + 0.5


@pytest.fixture
def linear():
    """A linear model of two inputs, always the same."""
    with la.random.use_generator(la.random.Generator(1)):
        return nn.Linear(2, 1)


@pytest.fixture
def state_of():
    """Return a function that copies a model's state."""
    return lambda model: {name: value.numpy() for name, value in model.state_dict().items()}


@pytest.fixture
def assert_same():
    """Return a function that compares two states."""

    def compare(first, second):
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])

    return compare
