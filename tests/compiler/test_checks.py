"""What eager code checks on values, compiled programs check too, before they update anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import lamina as la
from lamina import nn, optim
from lamina.compiler.runtime.threads import num_threads
from lamina.errors import DataError

Loss = Callable[[la.Tensor, la.Tensor], la.Tensor]

WRONG: list[tuple[Loss, int, list[float]]] = [
    (nn.cross_entropy, 4, [0, 1, 2, 4]),
    (nn.cross_entropy, 4, [0, -1, 2, 3]),
    (nn.binary_cross_entropy_with_logits, 1, [0.0, 0.5, 1.5, 1.0]),
    (nn.hinge_loss, 1, [1.0, -1.0, 0.0, 1.0]),
]


def labels(values: list[float], outputs: int) -> la.Tensor:
    return la.asarray(values) if outputs > 1 else la.asarray(values, dtype=la.float32).reshape(-1, 1)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("loss", "outputs", "wrong"), WRONG)
def test_wrong_labels_raise_the_eager_error_and_change_nothing(
    loss: Loss, outputs: int, wrong: list[float], threads: int
) -> None:
    model = nn.Linear(3, outputs)
    optimizer = optim.Adam(model.parameters())

    @la.compile
    def step(x: la.Tensor, y: la.Tensor) -> la.Tensor:
        found = loss(model(x), y)
        optimizer.step(found.backward())
        return found

    x = la.ones((4, 3))
    right = labels([1, 1, 1, 1], outputs)
    with num_threads(threads):
        step(x, right)
        before = [each.numpy() for each in model.parameters()]
        with pytest.raises(DataError) as eager:
            loss(model(x), labels(wrong, outputs))
        with pytest.raises(DataError) as compiled:
            step(x, labels(wrong, outputs))
        for kept, now in zip(before, model.parameters(), strict=True):
            assert np.array_equal(kept, now.numpy())
        step(x, right)
    # The same words, but for the value: a program does not say which one.
    assert str(compiled.value).split(" is out of range")[1] == str(eager.value).split(" is out of range")[1]


def test_ignored_labels_are_right() -> None:
    x, y = la.random.normal((5, 3)), la.asarray([0, 1, -100, 2, -100])
    compiled = la.compile(lambda x, y: nn.cross_entropy(x, y))
    assert np.isclose(compiled(x, y).item(), nn.cross_entropy(x, y).item())


def test_the_first_of_several_checks_that_fail_is_reported() -> None:
    both = la.compile(lambda x, y: nn.cross_entropy(x, y) + nn.hinge_loss(x, la.zeros((2, 2))))
    with pytest.raises(DataError):
        both(la.zeros((2, 2)), la.asarray([0, 7]))
