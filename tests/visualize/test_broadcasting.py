"""The explanation of broadcasting agrees with NumPy, and says what is wrong where NumPy refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lamina as la
from lamina.errors import DataError, ShapeError
from lamina.visualize import broadcasting, broadcasting_figure

SHAPES = st.lists(st.sampled_from([0, 1, 1, 2, 3, 7]), max_size=5).map(tuple)


@given(SHAPES, SHAPES)
def test_the_result_is_numpys(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    text = broadcasting(a, b)
    try:
        expected = np.broadcast_shapes(a, b)
    except ValueError:
        assert "cannot be broadcast" in text
        return
    assert "cannot be broadcast" not in text
    shown = text.splitlines()[-1].split()[1:] if expected else []
    assert [int(each) for each in shown] == list(expected)


def test_each_step_is_shown() -> None:
    text = broadcasting((8, 1, 6), (7, 1))
    for words in (
        "axis  -3  -2  -1",
        "b      1   7   1",
        "axis -2: 1 and 7: a is repeated 7 times",
        "a+b    8   7   6",
    ):
        assert words in text


def test_shapes_that_differ_are_explained_axis_by_axis() -> None:
    text = broadcasting((2, 3, 4), (5, 1, 6))
    assert "axis -1: 4 and 6: they differ, and neither is 1" in text
    assert text.endswith("cannot be broadcast, for axis -3, -1.")


@pytest.mark.parametrize(
    ("a", "b", "remedy"),
    [
        ((3,), (3, 4), "They go together as a.reshape(3, 1) and b: [3, 4]."),
        ((8, 5), (8,), "They go together as b.reshape(8, 1) and a: [8, 5]."),
        ((2,), (2, 3, 4), "They go together as a.reshape(2, 1, 1) and b: [2, 3, 4]."),
    ],
)
def test_what_would_go_together_is_said(a: tuple[int, ...], b: tuple[int, ...], remedy: str) -> None:
    assert broadcasting(a, b).splitlines()[-1] == remedy


def test_tensors_and_single_lengths_are_shapes_too() -> None:
    assert broadcasting(la.ones((4, 1)), np.ones(3)) == broadcasting((4, 1), 3)


def test_what_is_no_shape_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"shape_b has a negative length: \[-1\]"):
        broadcasting((2,), (-1,))
    with pytest.raises(DataError, match="shape_a must be a shape"):
        broadcasting("ab", (2,))
    with pytest.raises(DataError, match="shape_a must be a shape"):
        broadcasting_figure(1.5, (2,))


@pytest.mark.parametrize(
    ("a", "b"),
    [((4, 1), (3,)), ((3,), (3, 4)), ((), (2, 2)), ((), ()), ((8, 1, 6, 1), (7, 1, 5)), ((9, 9), (9, 9)), ((0,), (1,))],
)
def test_every_pair_of_shapes_has_a_picture(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    figure = broadcasting_figure(a, b)
    figure.canvas.print_figure(_Nowhere(), format="png")
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    for length in (*a, *b):
        assert str(length) in texts


def test_elements_are_drawn_with_the_sums_that_they_make() -> None:
    texts = [text.get_text() for text in broadcasting_figure((2, 1), (3,)).axes[1].texts]
    for at in range(6):
        assert f"a{at // 3}+b{at % 3}" in texts


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, content: bytes) -> int:
        return len(content)

    def flush(self) -> None:
        """Do nothing."""
