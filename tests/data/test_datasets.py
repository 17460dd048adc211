"""Embedded data sets and the division of rows into parts."""

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st
from sklearn import datasets as scikit

import lamina as la
from lamina.data import Dataset, split_rows
from lamina.errors import DataError


def test_digits_are_scikit_learns_scaled_to_one() -> None:
    digits, reference = la.data.load_embedded("digits"), scikit.load_digits()
    np.testing.assert_array_equal(digits.inputs * 16.0, reference.data)
    np.testing.assert_array_equal(digits.targets, reference.target)
    assert digits.inputs.dtype == np.float32
    assert digits.classes == tuple("0123456789")
    assert len(digits.feature_names) == 64


def test_embedded_sets_are_found_by_name() -> None:
    with pytest.raises(DataError, match="no data set 'cats'; there are digits, breast_cancer"):
        la.data.load_embedded("cats")


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "iris", "diabetes"])
def test_embedded_sets_are_scikit_learns_in_their_own_units(name: str) -> None:
    data = la.data.load_embedded(name)
    reference = getattr(scikit, f"load_{name}")(**({"scaled": False} if name == "diabetes" else {}))
    np.testing.assert_array_equal(data.inputs, reference.data.astype(np.float32))
    np.testing.assert_array_equal(data.targets.reshape(-1), reference.target)
    assert len(data.feature_names) == data.inputs.shape[1]
    assert (data.classes is None) == (name == "diabetes")
    assert la.data.describe_embedded()[name].capitalize() in data.description


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 200), st.floats(0.05, 0.95), st.integers(0, 5))
def test_every_row_is_in_exactly_one_part(count: int, share: float, seed: int) -> None:
    size = int(np.ceil(share * count))
    if size == count:
        return
    rest, part = split_rows(count, share, seed=seed)
    assert len(part) == size
    assert sorted([*rest, *part]) == list(range(count))


def test_split_is_the_same_for_the_same_seed_only() -> None:
    assert split_rows(50, 0.2, seed=1)[1].tolist() == split_rows(50, 0.2, seed=1)[1].tolist()
    assert split_rows(50, 0.2, seed=1)[1].tolist() != split_rows(50, 0.2, seed=2)[1].tolist()


def test_classes_keep_their_proportions() -> None:
    labels = np.repeat([0, 1], [80, 20])
    _, part = split_rows(100, 0.2, labels=labels)
    assert np.bincount(labels[part]).tolist() == [16, 4]


@settings(deadline=None, max_examples=50)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 9),
    least=st.integers(2, 3),
)
def test_every_class_has_a_row_in_the_rest_and_small_ones_all(
    counts: list[int], share: float, seed: int, least: int
) -> None:
    labels = np.repeat(np.arange(len(counts)), counts)
    assume(sum(counts) > 1 and np.ceil(share * len(labels)) < len(labels) and max(counts) >= least)
    rest, part = split_rows(len(labels), share, seed=seed, labels=labels, least=least)
    assert sorted([*rest, *part]) == list(range(len(labels)))
    assert 0 < len(part) <= np.ceil(share * len(labels))
    assert set(labels[rest]) == set(labels)
    assert all(counts[each] >= least for each in labels[part])


def test_a_class_of_one_row_leaves_the_others_their_proportions() -> None:
    labels = np.array([0] * 10 + [1] * 30 + [2])
    _, part = split_rows(41, 0.2, labels=labels)
    assert np.bincount(labels[part], minlength=3).tolist() == [2, 7, 0]


def test_a_split_of_classes_of_one_row_each_says_what_is_missing() -> None:
    with pytest.raises(DataError, match=r"none of the .* classes has 2 rows, which it takes"):
        split_rows(4, 0.5, labels=np.arange(4))


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan")])
def test_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(DataError, match="the share must lie between 0 and 1"):
        split_rows(10, share)


def test_share_that_leaves_no_rows_is_refused() -> None:
    with pytest.raises(DataError, match="of 1 row leaves no rows on one side"):
        split_rows(1, 0.5)


def test_inputs_and_targets_of_different_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows of inputs but 2 targets"):
        Dataset(np.zeros((3, 1)), np.zeros(2))


def test_targets_like_those_of_another_set_may_have_another_name() -> None:
    known = Dataset.of({"rooms": [1, 2, 3], "price": [10.0, 20.0, 40.0]}, "price")
    new = Dataset.of({"rooms": [2, 3]}, np.array([20.0, 40.0]), like=known)
    np.testing.assert_array_equal(new.targets, known.targets[1:])
    assert new.target == known.target


def test_dataset_unpacks_as_a_pair() -> None:
    inputs, targets = la.data.load_embedded("digits").take(np.array([5, 3]))
    assert inputs.shape == (2, 64)
    assert targets.tolist() == [5, 3]
