"""einsum against NumPy's, on subscripts drawn at random."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lamina as la
from lamina.testing import check_gradients

LETTERS = "abcAZ"


@st.composite
def programs(draw):
    """Return subscripts and arrays that fit: repeated letters, ellipses that broadcast, both forms."""
    sizes = {letter: draw(st.integers(1, 3)) for letter in LETTERS}
    hidden = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    terms, arrays = [], []
    for _ in range(draw(st.integers(1, 3))):
        letters = "".join(draw(st.lists(st.sampled_from(LETTERS), max_size=3)))
        shape = [sizes[letter] for letter in letters]
        if draw(st.booleans()):
            own = hidden[draw(st.integers(0, len(hidden))) :]
            own = tuple(draw(st.sampled_from([1, size])) for size in own)
            at = draw(st.integers(0, len(letters)))
            letters = letters[:at] + "..." + letters[at:]
            shape[at:at] = own
        terms.append(letters)
        count = int(np.prod(shape, dtype=int))
        arrays.append((np.arange(count) * 7 % 5 - 2).astype("float64").reshape(shape))
    subscripts = ",".join(terms)
    if draw(st.booleans()):
        present = sorted(set("".join(terms)) - {"."})
        output = "".join(draw(st.lists(st.sampled_from(present), unique=True))) if present else ""
        if "..." in subscripts:
            at = draw(st.integers(0, len(output)))
            output = output[:at] + "..." + output[at:]
        subscripts += "->" + output
    return subscripts, arrays


@pytest.mark.parametrize("device", ["cpu", "strict"])
@given(program=programs())
@settings(deadline=None, max_examples=200)
def test_einsum_is_numpys(device, program):
    subscripts, arrays = program
    found = la.einsum(subscripts, *[la.asarray(x, device=device) for x in arrays])
    expected = np.einsum(subscripts, *arrays)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12, atol=1e-12)


@given(program=programs())
@settings(deadline=None, max_examples=15)
def test_gradient_of_einsum_is_right(program):
    subscripts, arrays = program
    check_gradients(lambda *operands: la.einsum(subscripts, *operands), *arrays, order=2)


@pytest.mark.parametrize(
    "subscripts",
    ["bij,bjk->bik", "ij,jk,kl,lm->im", "i,j->ij", "bhqd,bhkd->bhqk", "ii->i", "ijj->", "...ij->...ji", "ij->"],
)
def test_familiar_contractions(subscripts):
    generator = np.random.default_rng(0)
    terms = subscripts.split("->")[0].split(",")
    sizes = {letter: 2 + at for at, letter in enumerate("bhijklmqd")}
    shapes = [(2, *(sizes[x] for x in term[3:])) if "." in term else tuple(sizes[x] for x in term) for term in terms]
    arrays = [generator.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(la.einsum(subscripts, *map(la.asarray, arrays)).numpy(), np.einsum(subscripts, *arrays))


def test_spaces_are_ignored_and_integers_stay_integers():
    x = la.asarray([[1, 2], [3, 4]], dtype="int32")
    found = la.einsum(" i j , j k -> i k ", x, x)
    assert found.tolist() == [[7, 10], [15, 22]]
    assert found.dtype is la.int32


def test_operands_are_promoted():
    assert la.einsum("i,i", la.ones(2, dtype="int8"), la.ones(2, dtype="float16")).dtype is la.float16


@pytest.mark.parametrize(
    ("subscripts", "shapes", "words"),
    [
        ("ij,jk", [(2, 3)], "names 2 operands, got 1"),
        ("ij", [(2, 3, 4)], "names 2 axes, the shape is"),
        ("ijk", [(2, 3)], "names 3 axes, the shape is"),
        ("ij,jk", [(2, 3), (4, 5)], "'j'.* has lengths 3 and 4"),
        ("ii", [(2, 3)], "'i'.* has lengths 2 and 3"),
        ("...i,...i", [(2, 3), (4, 3)], "an axis of the ellipsis .* has lengths 2 and 4"),
        ("ij->ik", [(2, 3)], "'k' of .* occurs in no operand"),
        ("ij->ii", [(2, 3)], "'i' of .* occurs twice in the result"),
        ("...i->i", [(2, 3)], "an ellipsis on the left only"),
        ("i2", [(2, 3)], "letters and one ellipsis"),
        ("i.j", [(2, 3)], "letters and one ellipsis"),
        ("......", [(2, 3)], "letters and one ellipsis"),
        ("ij->j->i", [(2, 3)], "letters and one ellipsis"),
    ],
)
def test_error_of_einsum_names_the_subscripts(subscripts, shapes, words):
    with pytest.raises(la.ShapeError, match=words):
        la.einsum(subscripts, *[la.ones(shape) for shape in shapes])


def test_subscripts_come_first():
    with pytest.raises(la.DTypeError, match="expected subscripts"):
        la.einsum(la.ones(2), la.ones(2))
    with pytest.raises(la.ShapeError, match="at least one tensor"):
        la.einsum("i")
