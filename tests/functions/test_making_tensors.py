"""Making tensors: from data, from other libraries, from nothing; and what they give back."""

import array
import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

import lamina as la

few = settings(deadline=None, max_examples=25)
DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
DTYPES += ["float16", "float32", "float64"]


# --- asarray ---


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@few
def test_numpy_arrays_keep_type_and_values_both_ways(dtype, data):
    x = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0)))
    t = la.asarray(x)
    assert t.dtype.name == dtype
    np.testing.assert_array_equal(t.numpy(), x, strict=True)
    np.testing.assert_array_equal(np.asarray(t), x, strict=True)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, "float32"), (3, "int64"), (True, "bool"), ([[1, 2.5]], "float32"), ([True, False], "bool"), ([], "float32")],
)
def test_python_numbers_have_the_default_types(value, dtype):
    assert la.asarray(value).dtype.name == dtype


def test_nested_tensors_are_read():
    x = la.asarray([1.0, 2.0])
    assert la.asarray([x, x * 2]).tolist() == [[1.0, 2.0], [2.0, 4.0]]


def test_gradients_flow_through_a_list_of_tensors():
    gradient = la.grad(lambda x: la.asarray([[x[0], 1.0], [2.0, 3 * x[1]]]).sum())(la.asarray([1.0, 2.0]))
    assert gradient.tolist() == [1.0, 3.0]


def test_python_numbers_beside_tensors_do_not_widen_them():
    assert la.asarray([la.ones((), dtype="float64"), 2.0]).dtype is la.float64
    assert la.asarray([[la.ones((), dtype="int8"), 2], [3, 4]]).dtype is la.int8


def test_a_list_of_tensors_stays_where_they_are():
    x = la.ones((), device="strict")
    assert la.asarray([x, 2.0]).device == "strict"
    with pytest.raises(la.BackendError, match="different devices"):
        la.asarray([x, la.ones(())])


def test_tensor_never_shares_memory_with_what_it_was_made_of():
    source = np.zeros(3)
    x = la.asarray(source)
    source[0] = 1.0
    assert x.tolist() == [0.0, 0.0, 0.0]
    x.numpy()[0] = 5.0
    np.asarray(x)[0] = 5.0
    assert x.tolist() == [0.0, 0.0, 0.0]


def test_without_a_copy_only_a_tensor_can_stand_for_itself():
    x = la.ones(2)
    assert la.asarray(x, copy=False) is x
    assert la.from_dlpack(x, copy=False) is x
    for call in (
        lambda: la.asarray(np.ones(2), copy=False),
        lambda: la.asarray(x, copy=False, dtype=la.float64),
        lambda: la.asarray(x, copy=False, device="strict"),
        lambda: la.from_dlpack(np.ones(2), copy=False),
    ):
        with pytest.raises(ValueError, match="copy=False"):
            call()


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        ([[1, 2], [3]], la.ShapeError, "cannot make a tensor of list"),
        ("text", la.DTypeError, "expected numbers, got str"),
        ([None], la.DTypeError, "expected numbers"),
        ({"a": 1}, la.DTypeError, "expected numbers"),
        ([2**70], la.DTypeError, "out of the range of uint64"),
    ],
)
def test_what_is_no_array_of_numbers_is_refused(value, error, words):
    with pytest.raises(error, match=words):
        la.asarray(value)


@pytest.mark.parametrize("value", [2**63, 2**64 - 1])
def test_large_integers_are_unsigned(value):
    assert la.asarray([value]).tolist() == [value]
    assert la.asarray([value]).dtype is la.uint64
    assert la.asarray([[value, 0], [1, 2]]).tolist() == [[value, 0], [1, 2]]
    with pytest.raises(la.DTypeError, match="out of the range of uint64"):
        la.asarray([value, -1])


@pytest.mark.parametrize("device", ["cpu", "strict"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: la.asarray([1e300]),
        lambda: la.full((1,), 1e300),
        lambda: la.linspace(1e300, 1e300, 1),
        lambda: la.ones(1) * 1e300,
        lambda: la.full_like(la.ones(1), 1e300),
    ],
)
def test_a_number_beyond_a_type_is_infinity_without_a_warning(make, device):
    # Warnings are errors in the tests.
    with la.default_device(device):
        assert make().tolist() == [float("inf")]


def test_python_integers_must_fit_the_type_asked_for():
    for value in (300, [1, -1], [2**70]):
        with pytest.raises(la.DTypeError, match="out of the range of uint8, 0 to 255"):
            la.asarray(value, dtype="uint8")
    assert la.asarray(255, dtype="uint8").item() == 255
    assert la.asarray(np.array([300]), dtype="uint8").tolist() == [44]


@pytest.mark.parametrize("code", ["B", "i", "f", "d"])
def test_memory_that_knows_its_type_keeps_it(code):
    memory = array.array(code, [1, 2])
    assert la.asarray(memory).numpy().dtype == np.asarray(memory).dtype


# --- DLPack ---


def test_what_dlpack_cannot_hand_over_is_said():
    torch = pytest.importorskip("torch")
    for dtype in (torch.float32, torch.bfloat16):
        with pytest.raises(la.BackendError, match="detach"):
            la.asarray(torch.ones(2, requires_grad=True, dtype=dtype))
        with pytest.raises(la.BackendError, match="on the cpu"):
            la.asarray(torch.ones(2, dtype=dtype, device="meta"))
    with pytest.raises(la.DTypeError, match="expected an object with __dlpack__, got list"):
        la.from_dlpack([1, 2])


@pytest.mark.parametrize("make", [la.asarray, la.from_dlpack])
def test_dlpack_hands_over_bfloat16_of_any_shape_and_order(make):
    torch = pytest.importorskip("torch")
    for x in (torch.randn(3, 4), torch.randn(3, 4).T, torch.randn(6)[::2], torch.zeros(0, 2), torch.tensor(1.5)):
        found = make(x.to(torch.bfloat16))
        assert (found.dtype, found.shape) == (la.bfloat16, tuple(x.shape))
        np.testing.assert_array_equal(found.astype("float32").numpy(), x.to(torch.bfloat16).float().numpy())


def test_dlpack_goes_both_ways_and_copies():
    x = la.asarray([[1.0, 2.0], [3.0, 4.0]])
    theirs = np.from_dlpack(x)
    np.testing.assert_array_equal(theirs, x.numpy())
    back = la.from_dlpack(theirs)
    assert back.tolist() == x.tolist()
    assert x.__dlpack_device__() == (1, 0)


def test_dlpack_shares_memory_read_only_when_asked():
    x = la.asarray([1.0, 2.0])
    shared = np.from_dlpack(x, copy=False)
    assert not shared.flags.writeable
    with pytest.raises(BufferError, match="read-only"):
        x.__dlpack__(copy=False)


def test_dlpack_with_pytorch():
    torch = pytest.importorskip("torch")
    x = la.asarray([1.0, 2.0])
    theirs = torch.from_dlpack(x)
    theirs += 1
    assert x.tolist() == [1.0, 2.0]
    assert la.from_dlpack(theirs).tolist() == [2.0, 3.0]
    assert la.asarray(theirs).tolist() == [2.0, 3.0]


def test_array_protocol_casts_and_refuses_to_share():
    x = la.asarray([1.0, 2.0])
    assert np.asarray(x, dtype="float64").dtype == np.float64
    with pytest.raises(ValueError, match="do not share"):
        np.asarray(x, copy=False)


# --- from nothing ---


@given(start=st.integers(-20, 20), stop=st.integers(-20, 20), step=st.integers(-5, 5).filter(bool))
@few
def test_arange_of_integers_is_numpys(start, stop, step):
    assert la.arange(start, stop, step).tolist() == list(range(start, stop, step))
    assert la.arange(start, stop, step).dtype is la.int64


@given(num=st.integers(0, 20), start=st.floats(-9, 9), stop=st.floats(-9, 9), endpoint=st.booleans())
@few
def test_linspace_is_numpys(num, start, stop, endpoint):
    found = la.linspace(start, stop, num, endpoint=endpoint, dtype=la.float64)
    np.testing.assert_allclose(found.numpy(), np.linspace(start, stop, num, endpoint=endpoint), rtol=1e-14, atol=1e-14)


@given(rows=st.integers(0, 4), columns=st.none() | st.integers(0, 4), k=st.integers(-5, 5))
@few
def test_eye_is_numpys(rows, columns, k):
    np.testing.assert_array_equal(la.eye(rows, columns, k=k).numpy(), np.eye(rows, columns, k=k, dtype="float32"))


def test_arange_of_floats_and_one_argument():
    assert la.arange(3).tolist() == [0, 1, 2]
    np.testing.assert_array_equal(la.arange(0.0, 1.0, 0.25).numpy(), np.arange(0, 1, 0.25, dtype="float32"))
    with pytest.raises(la.ShapeError, match="step is 0"):
        la.arange(0, 3, 0)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid_is_numpys(indexing):
    vectors = [np.arange(2), np.arange(3), np.arange(4)]
    found = la.meshgrid(*[la.asarray(v) for v in vectors], indexing=indexing)
    for ours, numpys in zip(found, np.meshgrid(*vectors, indexing=indexing), strict=True):
        np.testing.assert_array_equal(ours.numpy(), numpys)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
def test_filled_tensors_are_float32_and_like_takes_everything_over(name):
    assert getattr(la, name)((2, 3)).dtype is la.float32
    like = getattr(la, f"{name}_like")(la.full((2,), 7, dtype="int8", device="strict"))
    assert (like.shape, like.dtype, like.device) == ((2,), la.int8, "strict")


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: la.zeros((2, -1)), la.ShapeError, "negative length"),
        (lambda: la.zeros("ab"), la.ShapeError, "a shape of integers"),
        (lambda: la.eye(-1), la.ShapeError, "eye: shape .* has a negative length"),
        (lambda: la.eye(2.5), la.ShapeError, "eye: expected a shape of integers"),
        (lambda: la.full(2, "x"), la.DTypeError, "expected a Python number"),
        (lambda: la.zeros(2, device="tpu"), la.BackendError, "'tpu' is not known"),
        (lambda: la.meshgrid(la.ones(2), indexing="ab"), ValueError, "indexing must be"),
        (lambda: la.meshgrid(la.ones((2, 2))), la.ShapeError, "expected vectors"),
    ],
)
def test_creation_error_says_what_works(call, error, words):
    with pytest.raises(error, match=words):
        call()


# --- numbers that do not fit ---


@pytest.mark.parametrize(
    "call",
    [
        lambda x: la.clip(x, 0.5, 2.5),
        lambda x: la.pad(x, 1, constant_values=0.5),
        lambda x: x.replaced(0, 0.5),
    ],
)
def test_float_is_not_cut_off_to_fit_an_integer_tensor(call):
    with pytest.raises(la.DTypeError, match=r"0\.5 does not fit into int64"):
        call(la.asarray([1, 2, 3]))


# --- showing, copying, converting ---


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (lambda: la.asarray(2.5), "Tensor(2.5, shape=[], dtype=float32)"),
        (lambda: la.asarray([True]), "Tensor([ True], shape=[1], dtype=bool)"),
        (lambda: la.zeros((0, 2)), "Tensor([], shape=[0, 2], dtype=float32)"),
        (lambda: la.ones(1, device="strict"), "Tensor([1.], shape=[1], dtype=float32, device='strict')"),
        (lambda: la.variable([1.0]), "Variable(unnamed, [1.], shape=[1], dtype=float32)"),
    ],
)
def test_repr_shows_values_shape_and_type(x, text):
    assert repr(x()) == text


def test_repr_of_a_large_tensor_is_shortened():
    text = repr(la.arange(10_000))
    assert "..." in text
    assert len(text) < 100
    assert "shape=[10000]" in text


def test_scalar_formats_as_a_number():
    assert f"{la.asarray(1.23456):.3f}" == "1.235"


def test_conversions_take_one_number_only():
    assert float(la.asarray(1.5)) == 1.5
    assert int(la.asarray(2)) == 2
    assert bool(la.asarray(True)) is True
    assert [10, 20, 30][la.asarray(1)] == 20
    for conversion in (float, int, bool):
        with pytest.raises(la.ShapeError, match="is not one number"):
            conversion(la.ones(2))
    with pytest.raises(la.DTypeError, match="expected an integer tensor"):
        [1, 2][la.asarray(1.0)]
    with pytest.raises(la.ShapeError, match="expected one element"):
        la.ones(2).item()


def test_pickle_and_copies_keep_values_type_and_device():
    x = la.asarray([1, 2], dtype="int8", device="strict")
    for other in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        assert other.tolist() == [1, 2]
        assert (other.dtype, other.device) == (la.int8, "strict")
    w = pickle.loads(pickle.dumps(la.variable([1.0], name="w")))
    assert w.name == "w"
    assert w.trainable


def test_tensors_cannot_be_hashed_but_variables_can():
    with pytest.raises(TypeError):
        hash(la.ones(2))
    w = la.variable([1.0])
    assert w in {w: 1}


def test_data_moves_between_devices_only_when_asked():
    x = la.asarray([1.0, 2.0])
    y = x.to("strict")
    assert y.device == "strict"
    assert y.to("cpu").tolist() == [1.0, 2.0]
    assert x.to("cpu") is x
    assert x.to_device("strict").device == "strict"
    with pytest.raises(la.BackendError, match=r"x\.to\(device\)"):
        x + y


# --- what cannot be a tensor ---


@pytest.mark.parametrize("value", [3, [1, 2], [[1], [2]]], ids=repr)
def test_python_integers_become_floats_in_a_trainable_variable(value):
    w = la.variable(value)
    assert w.trainable
    assert w.dtype is la.float32
    assert not la.variable(value, trainable=False).dtype.floating
    assert la.variable(value, dtype="int64").dtype is la.int64


def test_integer_arrays_keep_their_type_in_a_variable():
    for value in (np.array([1, 2]), la.asarray([1, 2]), [la.asarray(1), 2], [True, False]):
        assert not la.variable(value).trainable


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: la.asarray(i for i in range(3)), "generator.*list"),
        (lambda: la.asarray(None), "None; give a number"),
        (lambda: la.linspace(0, 1, -1), "linspace: num is -1"),
        (lambda: la.linspace(0, 1, 2.5), "linspace: num is 2.5"),
    ],
)
def test_what_makes_no_tensor_is_refused_with_what_would(call, words):
    with pytest.raises(la.LaminaError, match=words):
        call()


def test_rows_of_a_tensor_cannot_be_deleted():
    x = la.asarray([1, 2])
    with pytest.raises(la.AssignmentError, match=r"la\.concat"):
        del x[0]
