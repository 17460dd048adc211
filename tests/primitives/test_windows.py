"""The rows ``windows`` and ``convolution`` where they are not asked for values: views, and what they say."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.lib.stride_tricks import sliding_window_view

import lamina as la
from lamina import nn
from lamina.backends import convolving, windows as by_places
from lamina.backends.registry import CPU
from lamina.primitives import convolutions as rows


def test_windows_of_numpy_arrays_are_views_that_nobody_can_write():
    x = la.arange(12, dtype="float32")
    seen = rows.windows(x, size=(3,), stride=(2,), dilation=(2,))
    assert np.shares_memory(seen._data, x._data)
    assert not seen._data.flags.writeable
    assert seen.tolist() == [[0, 2, 4], [2, 4, 6], [4, 6, 8], [6, 8, 10]]


def test_a_variable_keeps_values_not_a_view():
    variable = la.variable(np.zeros((4, 3)))
    variable.assign(rows.windows(la.arange(6, dtype="float64"), size=(3,), stride=(1,), dilation=(1,)))

    @la.compile
    def step():
        variable.assign(variable + 1.0)

    step()
    assert variable.tolist() == [[1, 2, 3], [2, 3, 4], [3, 4, 5], [4, 5, 6]]


@pytest.mark.parametrize("chunk", [1, 1 << 30])
def test_a_batch_laid_out_bit_by_bit_gives_the_same(monkeypatch, chunk):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(5, 4, 6, 7)), rng.normal(size=(6, 2, 3, 2))
    settings = {"stride": (2, 1), "dilation": (1, 2), "groups": 2}
    expected = by_places.summed(np, x, w, *settings.values())
    monkeypatch.setattr(convolving, "CHUNK", chunk)
    np.testing.assert_allclose(CPU.convolution(x, w, **settings), expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8"])
@pytest.mark.parametrize("keepdims", [False, True])
def test_long_windows_are_reduced_as_short_ones_are(name, dtype, keepdims):
    x = la.asarray(np.random.default_rng(0).integers(-2, 3, (3, 40, 40)), dtype=dtype)
    seen = CPU.windows(x._data, size=(2, 3), stride=(2, 1), dilation=(1, 2))
    found = getattr(CPU, name)(seen, axes=(3, 4), keepdims=keepdims)
    assert found.dtype == seen.dtype
    assert found.size * 6 > 4096
    expected = getattr(np, name)(seen.astype("float64"), axis=(3, 4), keepdims=keepdims)
    assert np.array_equal(found, expected.astype(seen.dtype))


@pytest.mark.parametrize("shape", [(7,), (2, 3)])
def test_long_slices_are_scattered_as_short_ones_are(shape):
    rng = np.random.default_rng(0)
    values, indices = rng.normal(size=(5, *shape, 200)), rng.integers(-4, 4, shape)
    expected = np.zeros((5, 4, 200))
    np.add.at(expected, (slice(None), indices), values)
    np.testing.assert_allclose(CPU.scatter_add(values, indices, axis=1, size=4), expected, rtol=1e-12, atol=1e-12)
    with pytest.raises(IndexError):
        CPU.scatter_add(values, np.full(shape, 4), axis=1, size=4)


ERRORS = {
    r"windows: a window \[2, 2\] has more axes than shape \[4\]": ((4,), (2, 2), (1, 1), (1, 1)),
    r"windows: stride \[1\] must have one number for each of the 2 axes \[4, 4\] of shape \[4, 4\]": (
        (4, 4), (2, 2), (1,), (1, 1)
    ),
    r"windows: dilation \[0\] must be made of positive integers": ((4,), (2,), (1,), (0,)),
    r"windows: a window of 3 elements 2 apart reaches over 5, and axis 1 of shape \[2, 4\] has 4; pad it": (
        (2, 4), (3,), (1,), (2,)
    ),
}  # fmt: skip


@pytest.mark.parametrize("message", ERRORS)
@pytest.mark.parametrize("traced", [False, True])
def test_windows_that_do_not_fit_are_refused(device, message, traced):
    shape, size, stride, dilation = ERRORS[message]

    def see(x):
        return rows.windows(x, size=size, stride=stride, dilation=dilation)

    with pytest.raises(la.ShapeError, match=message):
        (la.compile(see) if traced else see)(la.zeros(shape) if traced else la.zeros(shape, device=device))


WRONG = {
    r"convolution: 2 groups must divide the 3 channels of shape \[1, 3, 4\] and the 2": ((1, 3, 4), (2, 1, 2), 2),
    r"convolution: 2 groups must divide the 4 channels of shape \[1, 4, 4\] and the 3": ((1, 4, 4), (3, 2, 2), 2),
    r"convolution: an input of shape \[1, 4, 4\] has 4 channels, 2 in each of 2 groups, and weights .* take 4": (
        (1, 4, 4), (2, 4, 2), 2
    ),
    r"convolution: expected an input .* with as many axes, got shapes \[1, 4, 4\] and \[2, 4\]": ((1, 4, 4), (2, 4), 1),
    r"convolution: a window of 5 elements 1 apart reaches over 5, and axis 2 of shape \[1, 4, 4\] has 4": (
        (1, 4, 4), (2, 4, 5), 1
    ),
    r"convolution: the window \[0\] must be made of positive integers": ((1, 4, 4), (2, 4, 0), 1),
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
def test_weights_that_do_not_fit_are_refused(device, message):
    x, w, groups = WRONG[message]
    with pytest.raises(la.ShapeError, match=message):
        rows.convolution(
            la.zeros(x, device=device), la.zeros(w, device=device), stride=(1,), dilation=(1,), groups=groups
        )


def test_the_derivatives_of_a_convolution_are_convolutions():
    recorded = []

    class Recording(type(CPU)):
        def convolution(self, x, w, **params):
            recorded.append((x.shape, w.shape))
            return super().convolution(x, w, **params)

    backend = Recording()
    x, w = (la.variable(la.Tensor(np.ones(shape), backend)) for shape in ((2, 3, 9), (4, 3, 2)))
    rows.convolution(x, w, stride=(2,), dilation=(3,), groups=1).backward()
    # Forwards; even elements meet one element of windows and odd ones the other; the cotangent as window.
    backwards = [((2, 4, 5), (3, 4, 1)), ((2, 4, 4), (3, 4, 1))]
    assert recorded == [((2, 3, 9), (4, 3, 2)), *backwards, ((3, 2, 9), (4, 2, 3))]


@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_computes_nothing_for_its_padding(transposed):
    recorded = []

    class Recording(type(CPU)):
        def convolution(self, x, w, **params):
            found = super().convolution(x, w, **params)
            recorded.append((x.shape, w.shape, found.shape))
            return found

    backend = Recording()
    x, w = (la.variable(la.Tensor(np.ones(shape), backend)) for shape in ((2, 3, 8), (3, 3, 3)))
    (nn.conv_transpose1d if transposed else nn.conv1d)(x, w, stride=1, padding=1).backward()
    both = ((2, 3, 10), (3, 3, 3), (2, 3, 8))
    assert recorded == [both, both, ((3, 2, 10), (3, 2, 8), (3, 3, 3))]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from([((70,), (3,)), ((70,), (60,)), ((9, 10), (3, 2)), ((12, 12), (2, 3)), ((9, 10), (7, 8)),
                     ((13, 5), (1, 4)), ((5, 5, 6), (2, 1, 3)), ((5, 6, 5), (5, 6, 4)), ((), ())]),
    st.integers(0, 9), st.integers(1, 3), st.integers(1, 40), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2),
)  # fmt: skip
def test_a_convolution_is_the_sum_over_windows_however_these_are_laid_out(
    shapes, batch, inner, outputs, groups, step, apart
):
    sizes, window = shapes
    if any(apart * (count - 1) >= size for size, count in zip(sizes, window, strict=True)):
        apart = 1
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(batch, groups * inner, *sizes)), rng.normal(size=(groups * outputs, inner, *window))
    found = CPU.convolution(x, w, stride=(step,) * len(sizes), dilation=(apart,) * len(sizes), groups=groups)
    reach = [apart * (count - 1) + 1 for count in window]
    seen = sliding_window_view(x, reach, axis=tuple(range(2, x.ndim))) if sizes else x
    seen = seen[(slice(None),) * 2 + (slice(None, None, step),) * len(sizes) + (slice(None, None, apart),) * len(sizes)]
    split = seen.reshape(batch, groups, inner, int(np.prod(found.shape[2:])), int(np.prod(window)))
    expected = np.einsum("ngipk,goik->ngop", split, w.reshape(groups, outputs, inner, -1))
    np.testing.assert_allclose(found, expected.reshape(found.shape), rtol=1e-10, atol=1e-10)
