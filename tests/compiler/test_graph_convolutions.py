"""Convolutions in graphs: parts of them, and of what they read."""

import numpy as np
import pytest

from lamina.compiler.graph.fingerprint import fingerprint
from lamina.compiler.graph.passes.simplify import simplify
from lamina.compiler.graph.printer import text
from lamina_tests.graphs import apply as op, graph, inputs, results


def cut(x, *ranges):
    start, stop, step = (tuple(each) for each in zip(*ranges, strict=True))
    return op("slice", x, start=start, stop=stop, step=step)


def pad(x, low, high):
    return op("pad", x, low=(0, 0, *low), high=(0, 0, *high), interior=(0,) * 4, value=0)


def convolution(x, w, stride=(1, 1), dilation=(1, 1)):
    return op("convolution", x, w, stride=stride, dilation=dilation, groups=1)


CASES = {
    "places of a convolution": (
        lambda x, w: cut(convolution(x, w), (0, 3, 1), (0, 4, 1), (1, 3, 1), (2, 6, 1)),
        lambda x, w: convolution(cut(x, (0, 3, 1), (0, 2, 1), (1, 5, 1), (2, 8, 1)), w),
    ),
    "some images, and every second place": (
        lambda x, w: cut(convolution(x, w), (0, 3, 2), (0, 4, 1), (0, 6, 1), (1, 6, 2)),
        lambda x, w: convolution(cut(x, (0, 3, 2), (0, 2, 1), (0, 8, 1), (1, 8, 1)), w, stride=(1, 2)),
    ),
    "places of a convolution with stride and dilation": (
        lambda x, w: cut(convolution(x, w, (2, 1), (1, 2)), (0, 3, 1), (0, 4, 1), (1, 3, 1), (0, 3, 1)),
        lambda x, w: convolution(cut(x, (0, 3, 1), (0, 2, 1), (2, 7, 1), (0, 7, 1)), w, (2, 1), (1, 2)),
    ),
    "of what was padded too widely": (
        lambda x, w: cut(convolution(pad(x, (2, 2), (2, 2)), w), (0, 3, 1), (0, 4, 1), (1, 9, 1), (1, 9, 1)),
        lambda x, w: convolution(pad(x, (1, 1), (1, 1)), w),
    ),
    "of padding on one side": (
        lambda x, w: cut(pad(x, (2, 0), (1, 3)), (0, 3, 1), (0, 2, 1), (1, 8, 1), (4, 11, 1)),
        lambda x, w: pad(cut(x, (0, 3, 1), (0, 2, 1), (0, 6, 1), (4, 8, 1)), (1, 0), (0, 3)),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_no_more_of_a_convolution_is_computed_than_is_wanted(case):
    before, after = CASES[case]
    given = inputs((3, 2, 8, 8), (4, 2, 3, 3))
    left, right = graph(before(*given), of=given), graph(after(*given), of=given)
    found = simplify(left)
    assert fingerprint(found) == fingerprint(right), f"{text(left)}\nbecame\n{text(found)}\nand not\n{text(right)}"
    generator = np.random.default_rng(0)
    values = [generator.integers(-3, 4, each.shape).astype("float32") for each in given]
    for a, b in zip(results(left, values), results(found, values), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


def test_a_convolution_that_is_read_whole_too_is_computed_once():
    x, w = inputs((3, 2, 8, 8), (4, 2, 3, 3))
    y = convolution(x, w)
    found = simplify(graph(op("exp", y), cut(y, (0, 3, 1), (0, 4, 1), (1, 3, 1), (1, 3, 1)), of=(x, w)))
    assert sum(value.op == "convolution" for value in found.values()) == 1
