"""`backward`, the `Gradients` it returns, and variables that change in between."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import lamina as la
from lamina.errors import BackendError, DTypeError, GradientError, ShapeError, TracingError


def test_backward_of_a_scalar_gives_the_gradient(device: str) -> None:
    w = la.variable([1.0, 2.0], device=device)
    grads = (w * w).sum().backward()
    assert grads[w].tolist() == [2.0, 4.0]
    assert grads[w].device == device
    assert not grads[w].tracked


def test_backward_of_more_elements_starts_with_ones() -> None:
    w = la.variable([1.0, 2.0])
    assert (w * 3.0).backward()[w].tolist() == [3.0, 3.0]


def test_backward_of_more_elements_takes_a_cotangent() -> None:
    w = la.variable([1.0, 2.0])
    assert (w**2).backward(la.asarray([10.0, 1.0]))[w].tolist() == [20.0, 4.0]


def test_a_variable_is_its_own_gradient() -> None:
    w = la.variable([1.0, 2.0])
    assert w.backward()[w].tolist() == [1.0, 1.0]
    assert w.backward(la.asarray([3.0, 4.0]))[w].tolist() == [3.0, 4.0]


def test_a_cotangent_that_does_not_fit_is_refused() -> None:
    y = la.variable([1.0, 2.0]) * 2.0
    with pytest.raises(ShapeError, match=r"cotangent has shape \[\], the result \[2\]"):
        y.backward(la.asarray(1.0))
    with pytest.raises(DTypeError, match="cotangent is float64, the result float32; cast it with astype"):
        y.backward(la.asarray([1.0, 1.0], dtype=la.float64))
    with pytest.raises(DTypeError, match="expected the cotangent as a Tensor, got list"):
        y.backward([1.0, 1.0])  # type: ignore[arg-type]


def test_backward_of_a_constant_says_what_to_do() -> None:
    for constant in (la.asarray(1.0), la.variable([1, 2], dtype=la.int64) * 2, la.variable(1.0, trainable=False) * 2.0):
        with pytest.raises(TracingError, match=r"depends on no trainable variable.*la\.variable"):
            constant.backward()


def test_gradients_are_a_mapping_by_variable() -> None:
    w, b, unused = la.variable([1.0, 2.0], name="w"), la.variable(0.5, name="b"), la.variable([[7.0]], name="u")
    grads = (w * b).sum().backward()
    assert isinstance(grads, Mapping)
    assert w in grads
    assert unused not in grads
    assert "w" not in grads
    assert len(grads) == 2
    assert set(grads) == {w, b}
    assert {variable.name: g.tolist() for variable, g in grads.items()} == {"w": [0.5, 0.5], "b": 3.0}
    assert grads.get(unused) is None
    assert repr(grads) in ("Gradients(w: [2], b: [])", "Gradients(variable 'w': [2], variable 'b': [])")


def test_wrt_gives_zeros_for_what_was_not_used() -> None:
    w, unused = la.variable([1.0, 2.0]), la.variable([[7.0]], dtype=la.float64)
    grads = w.sum().backward()
    zeros = grads.wrt(unused)
    assert (zeros.tolist(), zeros.dtype) == ([[0.0]], la.float64)
    assert grads.wrt(w).tolist() == [1.0, 1.0]


def test_asking_for_what_is_not_there_is_an_error_that_names_it() -> None:
    w, unused = la.variable(1.0), la.variable([7.0], name="extra")
    grads = (w * w).backward()
    with pytest.raises(GradientError, match="does not depend on variable 'extra'; wrt"):
        grads[unused]
    with pytest.raises(KeyError):
        grads[unused]
    for other in (la.asarray(1.0), la.variable([1, 2], dtype=la.int64), 3):
        with pytest.raises(GradientError, match="expected a trainable variable"):
            grads[other]  # type: ignore[index]
        with pytest.raises(GradientError, match="expected a trainable variable"):
            grads.wrt(other)  # type: ignore[arg-type]
        assert other not in grads


def test_map_applies_a_function_to_each_gradient() -> None:
    w, b = la.variable([1.0, 2.0]), la.variable(3.0)
    grads = ((w * w).sum() * b).backward()
    halved = grads.map(lambda g: g * 0.5)
    assert halved[w].tolist() == [3.0, 6.0]
    assert halved[b].item() == 2.5
    assert grads[w].tolist() == [6.0, 12.0]


def test_nothing_is_stored_so_backward_twice_is_the_same() -> None:
    w = la.variable([1.0, 2.0])
    loss = (w**3).sum()
    assert loss.backward()[w].tolist() == loss.backward()[w].tolist() == [3.0, 12.0]


def test_a_variable_used_many_times_receives_the_sum() -> None:
    w = la.variable(2.0)
    y = w
    for _ in range(3):
        y = y + w * y
    assert y.backward()[w].item() == pytest.approx(1 * 27 + 2 * 27)


def test_a_variable_assigned_after_the_forward_pass_keeps_the_gradient_of_before() -> None:
    w = la.variable([2.0, 3.0])
    loss = (w * w * w).sum()
    w.assign([100.0, 100.0])
    assert loss.backward()[w].tolist() == [12.0, 27.0]
    later = (w * 1.0).sum() + loss
    assert later.backward()[w].tolist() == [13.0, 28.0]


def test_uses_before_and_after_an_assignment_add_up() -> None:
    w = la.variable(2.0)
    before = w * w
    w.assign(5.0)
    total = before + w * w
    assert total.item() == 29.0
    assert total.backward()[w].item() == 2 * 2.0 + 2 * 5.0


def test_no_gradient_flows_through_an_assignment() -> None:
    w, v = la.variable(2.0), la.variable(0.0)
    v.assign(w * 3.0)
    grads = (v * v).backward()
    assert w not in grads
    assert grads[v].item() == 12.0


def test_a_failed_assignment_leaves_the_variable() -> None:
    w = la.variable([1.0, 2.0], name="w")
    with pytest.raises(ShapeError, match=r"variable 'w' has shape \[2\], the value \[3\]"):
        w.assign([1.0, 2.0, 3.0])
    with pytest.raises(DTypeError, match="variable 'w' is float32, the value float64"):
        w.assign(np.array([1.0, 2.0]))
    with pytest.raises(BackendError, match=r"cpu and strict; move one with x\.to\(device\)"):
        w.assign(la.asarray([1.0, 2.0], device="strict"))
    assert w.tolist() == [1.0, 2.0]


def test_integer_and_frozen_variables_have_no_gradient() -> None:
    w, frozen, count = la.variable(2.0), la.variable(3.0, trainable=False), la.variable(4, dtype=la.int64)
    grads = (w * frozen * count).backward()
    assert set(grads) == {w}
    assert grads[w].item() == 12.0
    assert not count.trainable
    assert not frozen.trainable


def test_gradients_do_not_keep_a_dropped_variable_alive() -> None:
    import gc
    import weakref

    w, other = la.variable([1.0, 2.0]), la.variable(1.0)
    grads = ((w * w).sum() * other).backward()
    gone = weakref.ref(w)
    del w
    gc.collect()
    assert gone() is None
    assert list(grads) == [other]
    assert len(grads) == len(list(grads))


def test_gradients_flow_between_floating_types() -> None:
    w = la.variable([1.0, 2.0], dtype=la.float32)
    grads = (w.astype(la.float64) * la.asarray([3.0, 4.0], dtype=la.float64)).sum().backward()
    assert grads[w].dtype is la.float32
    assert grads[w].tolist() == [3.0, 4.0]


def test_a_cast_to_integers_ends_the_gradient() -> None:
    w = la.variable([1.5, 2.5])
    assert not w.astype(la.int64).tracked
    rounded = w.astype(la.int64).astype(la.float32)
    assert (rounded * w).sum().backward()[w].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("dtype", [la.float16, la.bfloat16, la.float32, la.float64])
def test_a_gradient_has_the_type_of_its_variable(dtype: la.DType) -> None:
    w = la.variable([1.0, 2.0], dtype=dtype)
    gradient = ((w * 2 + 1).relu().mean() * 4.0).backward()[w]
    assert gradient.dtype is dtype
    assert gradient.tolist() == [4.0, 4.0]


def test_gradients_of_parts_add_up_to_those_of_the_whole():
    w, b = la.variable([1.0, 2.0]), la.variable([0.5])
    x = la.asarray([[1.0, -1.0], [2.0, 0.0], [3.0, 1.0], [0.0, 5.0]])
    whole = ((x @ w) ** 2).mean().backward()
    total = sum((((x[i : i + 2] @ w) ** 2).mean().backward() for i in (0, 2)), start=b.sum().backward() * 0.0)
    np.testing.assert_allclose((total / 2)[w].numpy(), whole[w].numpy(), rtol=1e-6)
    assert total[b].tolist() == [0.0]


def test_gradients_scale_from_both_sides_and_by_tensors():
    w = la.variable([1.0, 2.0])
    grads = (w * w).sum().backward()
    numbers = (grads * 2, 2 * grads, np.float32(2) * grads, grads * la.asarray(2.0), grads / 0.5)
    for scaled in (*numbers, sum([grads, grads])):
        assert scaled[w].tolist() == [4.0, 8.0]


@pytest.mark.parametrize("wrong", [lambda g: g + 1, lambda g: g * g, lambda g: g / g])
def test_gradients_add_to_gradients_and_scale_by_numbers_only(wrong):
    w = la.variable([1.0])
    with pytest.raises(TypeError, match="unsupported operand"):
        wrong(w.sum().backward())


@pytest.mark.parametrize("factor", [la.ones((3, 1)), np.ones(1)])
def test_gradients_are_not_scaled_by_what_has_axes(factor):
    grads = la.variable([1.0]).sum().backward()
    for scaled in (lambda: grads * factor, lambda: factor * grads, lambda: grads / factor):
        with pytest.raises((la.LaminaError, TypeError), match=r"[Gg]radients"):
            scaled()


def test_gradients_of_rows_add_and_scale():
    table = la.variable(np.ones((4, 2), "float32"))
    grads = [la.nn.embedding(la.asarray(rows), table).sum().backward() for rows in ([0, 1], [1, 3])]
    np.testing.assert_array_equal((0.5 * (grads[0] + grads[1]))[table].numpy()[:, 0], [0.5, 1.0, 0.0, 0.5])
