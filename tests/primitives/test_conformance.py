"""`lamina.testing.check_backend` and `check_primitive`: what they report."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import lamina as la
from lamina.backends.numpy_backend import NumPyBackend
from lamina.errors import BackendError
from lamina.primitives import specs
from lamina.primitives.primitive import Domain, Primitive
from lamina.primitives.table import _collect
from lamina.testing import check_backend, check_primitive
from lamina.testing.philox import philox_block, philox_words


class WithoutInfinity(NumPyBackend):
    """Takes the logarithm of zero for a large negative number."""

    def log(self, x: Any, /) -> Any:
        return np.maximum(np.log(x), np.asarray(-100, x.dtype))


def test_a_report_names_primitive_types_shapes_and_values() -> None:
    with pytest.raises(AssertionError) as caught:
        check_primitive(WithoutInfinity(), "log")
    message = str(caught.value)
    assert message.startswith("cpu: log(bfloat16[]): the result at [] is -100, the reference gives -inf")
    assert "operand 0: 0" in message


class WithoutKeepdims(NumPyBackend):
    def sum(self, x: Any, *, axes: Any, keepdims: bool) -> Any:
        return super().sum(x, axes=axes, keepdims=False)


def test_a_report_names_parameters() -> None:
    with pytest.raises(AssertionError, match=r"sum\(.*axes=\(0,\), keepdims=True\): the result is .* shape rule says"):
        check_primitive(WithoutKeepdims(), "sum")


class Failing(NumPyBackend):
    def exp(self, x: Any, /) -> Any:
        raise RuntimeError("no exponentials today")

    cosh = exp
    log2 = None


def test_the_report_of_a_backend_lists_every_primitive_that_fails() -> None:
    with pytest.raises(AssertionError) as caught:
        check_backend(Failing(), examples=2)
    message = str(caught.value)
    for name in ("cosh", "exp", "log2", "expm1"):  # the derivative of expm1 is exp
        assert name in message.splitlines()[0]
    assert "no exponentials today" in message
    assert "log2: the backend has no such operation" in message
    assert "tanh" not in message.splitlines()[0]


class InSinglePrecision(NumPyBackend):
    """As machines are that have no float64: differences are taken in float32, with longer steps."""

    def __init__(self) -> None:
        super().__init__()
        self.dtypes = frozenset({la.bool, la.int32, la.int64, la.uint32, la.uint64, la.float32})


def test_a_backend_without_float64_can_pass() -> None:
    check_backend(InSinglePrecision(), examples=8)


class Sharing(NumPyBackend):
    def from_numpy(self, array: Any, dtype: Any) -> Any:
        return np.asarray(array, self.native(dtype))


def test_a_backend_that_shares_memory_is_refused() -> None:
    with pytest.raises(AssertionError, match="from_numpy must copy"):
        check_backend(Sharing(), examples=1)


def test_an_unknown_primitive_or_device_is_an_error() -> None:
    with pytest.raises(BackendError, match="no primitive 'sine'"):
        check_primitive("cpu", "sine")
    with pytest.raises(BackendError, match="not known"):
        check_backend("tpu")


def test_without_hypothesis_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    with pytest.raises(BackendError, match=r"pip install \"lamina\[testing\]\""):
        check_backend("cpu")


def test_importing_the_checks_does_not_load_hypothesis() -> None:
    code = "import sys, lamina.testing; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_new_row_in_a_known_family_needs_nothing_else() -> None:
    cube = Primitive("cbrt", specs.floating_elementwise, (lambda g, y, x: g / (y * y * 3.0),), Domain(low=0.3))
    with_it = NumPyBackend()
    with_it.cbrt = lambda x: np.asarray(np.cbrt(x.astype(np.float64)).astype(x.dtype))  # type: ignore[attr-defined]
    check_primitive(with_it, cube)


def test_a_row_without_reference_or_family_says_what_to_add() -> None:
    backend = NumPyBackend()
    backend.gamma = lambda x: x  # type: ignore[attr-defined]
    with pytest.raises(AssertionError, match=r"lamina\.testing\.references\.WRITTEN"):
        check_primitive(backend, Primitive("gamma", specs.floating_elementwise, (lambda g, y, x: g,)))
    with pytest.raises(BackendError, match=r"lamina\.testing\.strategies\.FAMILIES"):
        check_primitive(backend, Primitive("gamma", lambda name, x: x))


def test_two_rows_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import lamina.primitives.randomness as module

    monkeypatch.setattr(module, "another", Primitive("exp", specs.identity), raising=False)
    with pytest.raises(ValueError, match="'exp'"):
        _collect()


# --- random bits: known answers of the Random123 distribution ----------------------------------------------

ONES = 0xFFFFFFFF
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_the_reference_generator_gives_the_known_answers(counter: Any, key: Any, words: Any) -> None:
    assert philox_block(counter, key) == words


def _bits(device: str, key: int, counter: int, size: int) -> list[int]:
    from lamina.primitives.randomness import random_bits

    operands = [la.asarray(np.asarray(each, np.uint64), device=device) for each in (key, counter)]
    return random_bits(*operands, size=size).tolist()  # type: ignore[no-any-return]


def test_the_first_block_of_key_zero_is_the_known_answer(device: str) -> None:
    assert _bits(device, 0, 0, 4) == list(KNOWN_ANSWERS[0][2])


def test_the_counter_wraps_at_64_bits(device: str) -> None:
    assert _bits(device, 5, 2**64 - 1, 8) == philox_words(5, 2**64 - 1, 8)
    assert _bits(device, 5, 2**64 - 1, 8)[4:] == _bits(device, 5, 0, 4)


def test_blocks_follow_each_other(device: str) -> None:
    assert _bits(device, 7, 3, 12) == _bits(device, 7, 3, 4) + _bits(device, 7, 4, 8)


def test_arity_of_a_row_outside_the_protocol_comes_from_its_rules() -> None:
    from lamina.testing.arity import operand_count

    assert operand_count(Primitive("new", specs.elementwise, (None, None, None))) == 3
    with pytest.raises(BackendError, match="number of operands of 'new'"):
        operand_count(Primitive("new", specs.elementwise))
    assert operand_count(SimpleNamespace(name="nextafter", derivatives=None)) == 2  # type: ignore[arg-type]
