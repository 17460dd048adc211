"""The namespace of the array API standard 2024.12: its names, and their signatures."""

import inspect

import array_api_strict
import pytest

import lamina as la

COMPLEX = {"complex64", "complex128"}
LATER = {"broadcast_shapes", "isin"}  # of the version after 2024.12
OF_STRICT_ITSELF = {"fft", "Device"} | {name for name in array_api_strict.__all__ if "flags" in name.lower()}
MAIN = sorted(set(array_api_strict.__all__) - COMPLEX - LATER - OF_STRICT_ITSELF)
LINALG = sorted(array_api_strict.linalg.__all__)


def parameters(function):
    """Return name and kind of every parameter, but for those by which names of other libraries are told."""
    kinds = [(each.name, each.kind) for each in inspect.signature(function).parameters.values()]
    return [each for each in kinds if each != ("elsewhere", inspect.Parameter.VAR_KEYWORD)]


def takes_what_the_standard_does(ours, standard):
    """Whether names agree, and kinds, but for what is given by name there and may be given by position too here."""
    by_name, by_both = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD
    pairs = zip(parameters(ours), parameters(standard), strict=True)
    return all(one == other or (one, other) == ((other[0], by_both), (other[0], by_name)) for one, other in pairs)


@pytest.mark.parametrize("name", MAIN)
def test_main_namespace_has_the_name_with_its_signature(name):
    standard, ours = getattr(array_api_strict, name), getattr(la, name)
    if inspect.isfunction(standard):
        assert takes_what_the_standard_does(ours, standard)


@pytest.mark.parametrize("name", LINALG)
def test_linalg_extension_has_the_name_with_its_signature(name):
    assert parameters(getattr(la.linalg, name)) == parameters(getattr(array_api_strict.linalg, name))


def test_array_namespace_of_a_tensor_is_lamina():
    assert la.ones(2).__array_namespace__() is la
    assert la.ones(2).__array_namespace__(api_version="2024.12") is la
    assert la.__array_api_version__ == "2024.12"
    with pytest.raises(ValueError, match=r"use 2024\.12"):
        la.ones(2).__array_namespace__(api_version="1999.01")


def test_namespace_info_lists_the_standards_real_types():
    info = la.__array_namespace_info__()
    assert info.default_device() == "cpu"
    assert "strict" in info.devices()
    assert info.default_dtypes()["real floating"] is la.float32
    assert set(info.dtypes(kind="real floating")) == {"float32", "float64"}
    assert set(info.dtypes(kind=("bool", "signed integer"))) == {"bool", "int8", "int16", "int32", "int64"}
    assert info.capabilities()["boolean indexing"] is True
