"""Snapshots of a training: what they hold, and what they leave alone."""

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.training import Callback


class Watch(Callback):
    """Takes a snapshot after each epoch, and notes where the weights are in memory and what they are."""

    def __init__(self) -> None:
        self.snapshots, self.weights, self.places = [], [], []

    def on_epoch_end(self, state, record) -> None:
        weight = state.model.parameters()[0]
        self.snapshots.append(state.snapshot())
        self.weights.append(weight.numpy().copy())
        self.places.append(weight.value._data.ctypes.data)


@pytest.fixture(params=[True, False], ids=["compiled", "eager"])
def watched(request) -> Watch:
    X = la.random.Generator(0).normal((30, 3))
    model, watch = nn.Linear(3, 1), Watch()
    optimizer = optim.Adam(model.parameters(), lr=0.05)
    targets = X.sum(axis=1, keepdims=True)
    la.fit(model, (X, targets), loss=nn.mse_loss, optimizer=optimizer, epochs=8, batch_size=30, seed=0, progress=False,
           compile=request.param, callbacks=[watch])  # fmt: skip
    return watch


def test_snapshots_keep_their_values_while_training_goes_on(watched) -> None:
    for snapshot, weight in zip(watched.snapshots, watched.weights, strict=True):
        np.testing.assert_array_equal(snapshot.model["weight"].numpy(), weight)


@pytest.mark.parametrize("watched", [True], ids=["compiled"], indirect=True)
def test_compiled_steps_write_where_the_weights_are_although_snapshots_are_taken(watched) -> None:
    assert len(set(watched.places[2:])) == 1
