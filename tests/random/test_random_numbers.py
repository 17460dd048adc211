"""Random numbers: known answers, distributions by SciPy's tests, ranges, state and errors."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats

import lamina as la
from lamina.errors import CheckpointError, DataError, DTypeError, ShapeError

FLOATS = ("float16", "bfloat16", "float32", "float64")
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DRAWS = {
    "uniform": lambda g, **kw: g.uniform((7, 3), -2.0, 5.0, **kw),
    "uniform float64": lambda g, **kw: g.uniform((7, 3), dtype="float64", **kw),
    "normal": lambda g, **kw: g.normal((7, 3), mean=1.0, std=2.0, **kw),
    "normal float64": lambda g, **kw: g.normal((7, 3), dtype="float64", **kw),
    "integers": lambda g, **kw: g.integers((7, 3), -5, 100, **kw),
    "wide integers": lambda g, **kw: g.integers((7, 3), -(2**62), 2**62 + 5, **kw),
    "bernoulli": lambda g, **kw: g.bernoulli((7, 3), 0.4, **kw),
    "permutation": lambda g, **kw: g.permutation(21, **kw),
}


def words(key, counter, size, device="cpu"):
    generator = la.random.Generator(key, device=device)
    generator.counter.assign(la.asarray(counter, dtype="uint64", device=device))
    return generator._words(size, device).tolist()


# --- the words themselves ---


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_first_block_of_key_zero_is_the_published_known_answer(device):
    assert words(0, 0, 4, device) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("key", [0, 1, 0xFFFFFFFF, 0xA4093822299F31D0, 2**64 - 1])
@pytest.mark.parametrize("counter", [0, 5, 2**32 - 1, 2**64 - 2])
def test_words_are_those_of_an_independent_philox(key, counter):
    def block(number):
        c = [number & 0xFFFFFFFF, number >> 32, 0, 0]
        k = [key & 0xFFFFFFFF, key >> 32]
        for _ in range(10):
            p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
            c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
            k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
        return c

    assert words(key, counter, 10) == (block(counter) + block(counter + 1) + block((counter + 2) % 2**64))[:10]


@pytest.mark.parametrize("draw", DRAWS)
def test_every_backend_gives_the_same_numbers(draw):
    a, b = la.random.Generator(11), la.random.Generator(11)
    for _ in range(2):
        np.testing.assert_array_equal(DRAWS[draw](a).numpy(), DRAWS[draw](b, device="strict").numpy())
    assert a.counter.item() == b.counter.item()


@pytest.mark.parametrize("draw", DRAWS)
def test_a_generator_on_another_device_gives_the_same_numbers(draw):
    a, b = la.random.Generator(11), la.random.Generator(11, device="strict")
    assert b.key.device == "strict"
    np.testing.assert_array_equal(DRAWS[draw](a).numpy(), DRAWS[draw](b, device="cpu").numpy())


def test_numbers_go_to_the_default_device():
    with la.default_device("strict"):
        assert la.random.uniform((2,)).device == "strict"
        assert la.random.bernoulli((2,), la.asarray(0.5, device="cpu")).device == "cpu"


# --- distributions ---


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_passes_kolmogorov_smirnov(dtype):
    drawn = la.random.Generator(1).uniform((20_000,), -1.0, 3.0, dtype=dtype).numpy()
    assert stats.kstest(drawn, stats.uniform(-1.0, 4.0).cdf).pvalue > 0.01


@pytest.mark.parametrize("dtype", FLOATS)
def test_uniform_has_the_mean_of_its_range(dtype):
    drawn = la.random.Generator(1).uniform((20_000,), -1.0, 3.0, dtype=dtype).astype("float64").numpy()
    assert abs(drawn.mean() - 1.0) < 3 * 4 / np.sqrt(12 * drawn.size)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_normal_passes_kolmogorov_smirnov(dtype, seed):
    drawn = la.random.Generator(seed).normal((50_000,), mean=2.0, std=3.0, dtype=dtype).numpy()
    assert stats.kstest(drawn, stats.norm(2.0, 3.0).cdf).pvalue > 0.01


@pytest.mark.parametrize("dtype", FLOATS)
def test_normal_has_the_moments_asked_for(dtype):
    drawn = la.random.Generator(5).normal((40_000,), mean=-1.0, std=0.5, dtype=dtype).astype("float64").numpy()
    assert abs(drawn.mean() + 1.0) < 4 * 0.5 / 200
    assert abs(drawn.std() - 0.5) < 4 * 0.5 / np.sqrt(2 * 40_000) + 1e-3


def test_both_halves_of_a_normal_pair_are_independent():
    drawn = la.random.Generator(8).normal((40_000,), dtype="float64").numpy().reshape(-1, 2)
    assert stats.pearsonr(drawn[:, 0], drawn[:, 1]).pvalue > 0.01
    assert stats.pearsonr(drawn[:, 0] ** 2, drawn[:, 1] ** 2).pvalue > 0.01


@pytest.mark.parametrize("span", [2, 3, 6, 10, 100])
def test_integers_pass_chi_square(span):
    drawn = la.random.Generator(span).integers((20_000,), -1, span - 1).numpy()
    assert stats.chisquare(np.bincount(drawn + 1, minlength=span)).pvalue > 0.01


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("span", [2**32, 2**32 + 1, 3 * 2**62, 2**63 + 1, 2**64])
def test_wide_integers_pass_kolmogorov_smirnov(dtype, span):
    low = 0 if dtype == "uint64" else -(2**63)
    drawn = la.random.Generator(4).integers((20_000,), low, low + span, dtype=dtype).numpy()
    fraction = (drawn.astype("float64") - low) / span
    assert stats.kstest(fraction, "uniform").pvalue > 0.01


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
@pytest.mark.parametrize("as_tensor", [False, True])
def test_bernoulli_holds_as_often_as_asked(p, as_tensor):
    given_p = la.asarray(p, dtype="float64") if as_tensor else p
    count = int(la.random.Generator(3).bernoulli((10_000,), given_p).astype("int64").sum().item())
    assert stats.binomtest(count, 10_000, p).pvalue > 0.01


def test_bernoulli_takes_a_probability_for_each_element():
    drawn = la.random.Generator(3).bernoulli((1000, 3), la.asarray([0.0, 1.0, 0.5]), dtype="float32")
    assert drawn.dtype is la.float32
    never, always, half = drawn.mean(axis=0).tolist()
    assert (never, always) == (0.0, 1.0)
    assert 0.4 < half < 0.6


def test_permutations_of_three_are_equally_frequent():
    generator = la.random.Generator(6)
    seen = [tuple(generator.permutation(3).tolist()) for _ in range(3000)]
    counts = [seen.count(order) for order in set(seen)]
    assert len(counts) == 6
    assert stats.chisquare(counts).pvalue > 0.01


# --- ranges, shapes, types ---


@given(
    low=st.floats(-1e4, 1e4),
    width=st.floats(0, 1e4),
    dtype=st.sampled_from(FLOATS),
    seed=st.integers(0, 2**64 - 1),
)
@settings(deadline=None, max_examples=50)
def test_uniform_stays_in_its_range(low, width, dtype, seed):
    high = low + width
    first, end = (la.asarray(x, dtype=dtype).item() for x in (low, high))
    drawn = la.random.Generator(seed).uniform((200,), low, high, dtype=dtype).astype("float64")
    assert first <= drawn.min().item()
    assert drawn.max().item() < end or first == end == drawn.max().item()


def test_uniform_never_rounds_up_to_its_end():
    drawn = la.random.Generator(0).uniform((200_000,), 1.0, 1.001, dtype="float16")
    assert drawn.max().item() < la.asarray(1.001, dtype="float16").item()


@given(data=st.data(), dtype=st.sampled_from(INTEGERS), seed=st.integers(0, 1000))
@settings(deadline=None, max_examples=50)
def test_integers_stay_in_any_range_of_their_type(data, dtype, seed):
    limits = la.iinfo(getattr(la, dtype))
    low = data.draw(st.integers(limits.min, limits.max))
    high = data.draw(st.integers(low + 1, limits.max + 1))
    drawn = la.random.Generator(seed).integers((50,), low, high, dtype=dtype)
    assert drawn.dtype.name == dtype
    assert all(low <= value < high for value in drawn.tolist())


def test_integers_agree_with_exact_multiplication():
    for span in (3, 2**31 + 7, 2**32, 2**32 + 9, 2**63 + 12345, 2**64 - 1):
        count = 2 if span <= 2**32 else 4
        rows = np.array(words(21, 0, 40 * count)).reshape(40, count).tolist()
        exact = [sum(w << (32 * (count - 1 - at)) for at, w in enumerate(row)) * span >> (32 * count) for row in rows]
        assert la.random.Generator(21).integers((40,), 0, span, dtype="uint64").tolist() == exact


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5,), (2, 3, 4), 4])
@pytest.mark.parametrize("name", ["uniform", "normal", "integers", "bernoulli"])
def test_shapes_are_those_asked_for(name, shape):
    arguments = {"integers": (0, 5), "bernoulli": (0.5,)}.get(name, ())
    drawn = getattr(la.random, name)(shape, *arguments)
    assert drawn.shape == ((shape,) if isinstance(shape, int) else shape)
    assert drawn.dtype is {"integers": la.int64, "bernoulli": la.bool}.get(name, la.float32)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_permutation_holds_every_number_once(n):
    assert sorted(la.random.Generator(n).permutation(n).tolist()) == list(range(n))


def test_permutation_of_a_tensor_permutes_its_rows_alike():
    rows = la.asarray(np.arange(60).reshape(20, 3))
    order = la.random.Generator(2).permutation(20).numpy()
    np.testing.assert_array_equal(la.random.Generator(2).permutation(rows).numpy(), rows.numpy()[order])


@pytest.mark.parametrize("draw", ["uniform", "normal", "integers", "bernoulli"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_shorter_draw_begins_a_longer_one(draw, dtype):
    options = {} if draw in ("integers", "bernoulli") else {"dtype": dtype}
    arguments = {"integers": (0, 99), "bernoulli": (0.5,)}.get(draw, ())
    short, long = (getattr(la.random.Generator(1), draw)((n,), *arguments, **options).numpy() for n in (5, 64))
    np.testing.assert_array_equal(short, long[:5])


# --- state ---


@pytest.mark.parametrize("seed", [0, 7, 2**64 - 1, 2**64, 10**40, np.int64(5)])
def test_a_seed_gives_the_same_numbers_again(seed):
    first, second = (la.random.Generator(seed).normal((10,)).numpy() for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_seeds_give_different_numbers():
    seeds = [0, 1, 2, 2**32, 2**64 - 1, 2**64, 2**64 + 1, 2**128, None, None]
    assert len({tuple(la.random.Generator(seed).integers((4,), 0, 2**32).tolist()) for seed in seeds}) == len(seeds)


def test_draws_of_one_generator_differ():
    generator = la.random.Generator(0)
    assert len({generator.uniform((1,)).item() for _ in range(100)}) == 100


def test_seed_restarts_the_default_generator_in_place():
    before = la.random.default_generator()
    la.random.seed(3)
    first = la.random.normal((5,)).numpy()
    la.random.seed(3)
    np.testing.assert_array_equal(la.random.normal((5,)).numpy(), first)
    assert la.random.default_generator() is before


def test_use_generator_chooses_and_restores():
    outer, inner = la.random.Generator(1), la.random.Generator(2)
    before = la.random.default_generator()
    with la.random.use_generator(outer):
        with la.random.use_generator(inner):
            la.random.seed(9)
            assert la.random.default_generator() is inner
        assert la.random.default_generator() is outer
    assert la.random.default_generator() is before
    assert inner.key.item() == 9
    assert outer.key.item() == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_a_copy_continues_where_the_original_stands(copied):
    generator = la.random.Generator(4)
    generator.uniform((9,))
    twin = copied(generator)
    np.testing.assert_array_equal(twin.uniform((9,)).numpy(), generator.uniform((9,)).numpy())


def test_a_state_continues_the_stream():
    generator = la.random.Generator(4)
    generator.uniform((9,))
    state = generator.state_dict()
    expected = generator.uniform((9,)).numpy()
    other = la.random.Generator(99)
    other.load_state_dict(state)
    np.testing.assert_array_equal(other.uniform((9,)).numpy(), expected)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"key": 1},
        {"key": la.asarray(1, dtype="uint64"), "counter": la.asarray(1)},
        {"key": la.asarray([1], dtype="uint64"), "counter": la.asarray(1, dtype="uint64")},
    ],
)
def test_a_foreign_state_is_refused_and_changes_nothing(state):
    generator = la.random.Generator(4)
    with pytest.raises(CheckpointError, match="load_state_dict"):
        generator.load_state_dict(state)
    assert (generator.key.item(), generator.counter.item()) == (4, 0)


def test_spawned_streams_differ_and_repeat():
    first, second = (la.random.Generator(4).spawn(3) for _ in range(2))
    drawn = [[g.integers((2,), 0, 2**62).tolist() for g in each] for each in (first, second)]
    assert drawn[0] == drawn[1]
    assert len({tuple(each) for each in drawn[0]}) == 3


def test_threads_never_draw_the_same_numbers():
    generator = la.random.Generator(0)
    with ThreadPoolExecutor(8) as pool:
        drawn = list(pool.map(lambda _: generator.integers((4,), 0, 2**64, dtype="uint64").tolist(), range(200)))
    flat = [value for each in drawn for value in each]
    assert len(set(flat)) == 800
    alone = la.random.Generator(0).integers((800,), 0, 2**64, dtype="uint64")
    assert sorted(flat) == sorted(alone.tolist())


# --- errors, after which the stream stands where it stood ---


@pytest.mark.parametrize(
    ("error", "draw"),
    [
        (DataError, lambda g: g.uniform((2,), 2.0, 1.0)),
        (DataError, lambda g: g.uniform((2,), 0.0, float("inf"))),
        (DataError, lambda g: g.uniform((2,), -3e38, 3e38)),
        (DataError, lambda g: g.uniform((2,), 0.0, 1e6, dtype="float16")),
        (DTypeError, lambda g: g.uniform((2,), "a", "b")),
        (DTypeError, lambda g: g.uniform((2,), dtype="int32")),
        (DTypeError, lambda g: g.uniform((2,), dtype="bfloat16", device="strict")),
        (ShapeError, lambda g: g.uniform((-1,))),
        (ShapeError, lambda g: g.normal((2.5,))),
        (DataError, lambda g: g.normal((2,), std=-1.0)),
        (DataError, lambda g: g.normal((2,), mean=float("nan"))),
        (DataError, lambda g: g.integers((2,), 3, 3)),
        (DataError, lambda g: g.integers((2,), 4, 3)),
        (DataError, lambda g: g.integers((2,), 0, 257, dtype="uint8")),
        (DataError, lambda g: g.integers((2,), -1, 5, dtype="uint64")),
        (DTypeError, lambda g: g.integers((2,), 0, 5, dtype="float32")),
        (DTypeError, lambda g: g.integers((2,), 0.5, 5)),
        (DataError, lambda g: g.bernoulli((2,), 1.5)),
        (DataError, lambda g: g.bernoulli((2,), float("nan"))),
        (DTypeError, lambda g: g.bernoulli((2,), la.asarray([0, 1]))),
        (ShapeError, lambda g: g.bernoulli((2,), la.asarray([0.1, 0.2, 0.3]))),
        (ShapeError, lambda g: g.permutation(-1)),
        (ShapeError, lambda g: g.permutation(la.asarray(3.0))),
        (DTypeError, lambda g: g.permutation("abc")),
        (DataError, lambda g: g.spawn(-1)),
        (DataError, lambda g: g.seed(-1)),
        (DTypeError, lambda g: g.seed(1.5)),
    ],
)
def test_what_cannot_be_drawn_is_an_error_and_draws_nothing(error, draw):
    generator = la.random.Generator(1)
    with pytest.raises(error):
        draw(generator)
    assert (generator.key.item(), generator.counter.item()) == (1, 0)
