"""Files that are damaged or made to do harm: a CheckpointError each time, at once, and in little memory."""

from __future__ import annotations

import os
import random
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import lamina as la
from lamina import nn
from lamina.data import ClassTarget
from lamina.errors import CheckpointError, DTypeError
from lamina.exchange import OnnxModel, export_onnx, import_onnx
from lamina.exchange.onnx.reading.graph import OPERATORS

onnx = pytest.importorskip("onnx")
helper = onnx.helper
FLOAT, INT64 = 1, 7


class Many(nn.Module):
    """A model with many kinds of nodes."""

    def __init__(self) -> None:
        self.first, self.second = nn.Linear(4, 6), nn.Linear(6, 3)

    def __call__(self, x: Any) -> Any:
        hidden = la.concat([la.gelu(self.first(x)), la.sort(x, axis=1)[:, :2]], axis=1)
        shaped = la.pad(hidden.reshape((-1, 2, 4)), ((0, 0), (1, 0), (0, 0)))
        picked = la.take(shaped, la.asarray([2, 0]), axis=1)
        scores = self.second(
            la.einsum("bij,bkj->bik", picked, picked).reshape((-1, 4))[:, :1] * x[:, :1] + hidden[:, :6]
        )
        return la.where(scores > 0.0, la.softmax(scores), la.clip(scores, -1.0, 1.0)), la.argmax(scores, axis=1)


class Pictures(nn.Module):
    """A model with the nodes of layers over space."""

    def __init__(self) -> None:
        self.layers = nn.Sequential(
            nn.Conv2d(1, 3, 2, padding=1), nn.BatchNorm2d(3), nn.MaxPool2d(2, 1, 1), nn.InstanceNorm2d(3, affine=True),
            nn.ConvTranspose2d(3, 2, 2, stride=2), nn.AvgPool2d(2), nn.Upsample(scale_factor=2.0), nn.LayerNorm(12),
            nn.Flatten(), nn.Linear(288, 3),
        )  # fmt: skip

    def __call__(self, x: Any) -> Any:
        return self.layers(la.reshape(la.concat([x, x, x, x], axis=1), (-1, 1, 4, 4))), x


CLASSES = ClassTarget("class", ("cheap", "dear", "très cher"), numeric=False)


class Classes(nn.Module):
    """A model that answers with texts."""

    def __init__(self) -> None:
        self.layer = nn.Linear(2, 3)

    def __call__(self, x: Any) -> Any:
        return self.layer(la.concat([x, x], axis=1).reshape((-1, 4, 2))).reshape((-1, 4, 3))[:, 1]


@pytest.fixture(scope="module", params=[(Many, None), (Pictures, None), (Classes, CLASSES)])
def good(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "model.onnx"
    make, target = request.param
    export_onnx(make(), path, la.zeros((1, 4)), target=target)
    return path.read_bytes()


def read(content: bytes, folder: Path) -> OnnxModel | None:
    """Return the model, or None if it was refused; anything else fails."""
    path = folder / "model.onnx"
    path.write_bytes(content)
    try:
        return import_onnx(path)
    except CheckpointError as error:
        if str(path) not in str(error):
            raise
        return None


def test_the_corpus_begins_with_a_model_that_is_read(good: bytes, tmp_path: Path) -> None:
    model = read(good, tmp_path)
    assert model is not None
    assert (5, 3) in [each.shape for each in model(la.zeros((5, 4)))]


def test_a_file_cut_off_anywhere_is_refused_or_still_a_model(good: bytes, tmp_path: Path) -> None:
    kept = sum(read(good[:length], tmp_path) is not None for length in range(0, len(good), 23))
    assert kept <= 2


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_changed_bytes_never_give_another_error(data: Any, good: bytes, tmp_path: Path) -> None:
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(content), tmp_path)


@settings(max_examples=50, suppress_health_check=list(HealthCheck))
@given(content=st.binary(max_size=300))
def test_noise_is_refused(content: bytes, tmp_path: Path) -> None:
    assert read(content, tmp_path) is None


# --- changes that keep the file a message ----------------------------------------------------------------------


def drop_node(graph: Any, chance: random.Random) -> None:
    del graph.node[chance.randrange(len(graph.node))]


def swap_nodes(graph: Any, chance: random.Random) -> None:
    nodes = list(graph.node)
    chance.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes)


def other_operator(graph: Any, chance: random.Random) -> None:
    chance.choice(graph.node).op_type = chance.choice(sorted(OPERATORS))


def other_operand(graph: Any, chance: random.Random) -> None:
    node = chance.choice([each for each in graph.node if each.input])
    names = [name for each in graph.node for name in (*each.input, *each.output)] + ["", "nowhere"]
    node.input[chance.randrange(len(node.input))] = chance.choice(names)


def more_operands(graph: Any, chance: random.Random) -> None:
    node = chance.choice(graph.node)
    node.input.extend([name for each in graph.node for name in each.output][: chance.randrange(1, 5)])


def cycle(graph: Any, chance: random.Random) -> None:
    at = chance.randrange(len(graph.node) - 1)
    node = next(each for each in graph.node[at:] if each.input)
    node.input[0] = graph.node[-1].output[0]


def same_result_twice(graph: Any, chance: random.Random) -> None:
    one, other = chance.sample(list(graph.node), 2)
    one.output[0] = other.output[0]


def drop_weight(graph: Any, chance: random.Random) -> None:
    del graph.initializer[chance.randrange(len(graph.initializer))]


def other_shape(graph: Any, chance: random.Random) -> None:
    dims = chance.choice(graph.initializer).dims
    dims[chance.randrange(len(dims))] = chance.choice([0, -1, 1, 7, 2**31, 2**62])


def other_type(graph: Any, chance: random.Random) -> None:
    chance.choice(graph.initializer).data_type = chance.randrange(0, 40)


def other_constant(graph: Any, chance: random.Random) -> None:
    constants = [each for each in graph.node if each.op_type == "Constant"]
    value = chance.choice(constants).attribute[0].t
    kind = np.float32 if value.data_type == FLOAT else np.int64
    numbers = [chance.choice([0, -1, 1, 3, 2**31, 2**62, -(2**62)]) for _ in range(max(1, int(np.prod(value.dims))))]
    value.CopyFrom(onnx.numpy_helper.from_array(np.asarray(numbers, kind).reshape(tuple(value.dims) or ())))


ATTRIBUTES = [
    "axis", "perm", "to", "keepdims", "equation", "value", "allowzero", "alpha", "strange", "pads", "strides", "group",
    "kernel_shape", "dilations", "auto_pad", "output_padding", "epsilon",
]  # fmt: skip


def other_attribute(graph: Any, chance: random.Random) -> None:
    node = chance.choice(graph.node)
    name = chance.choice(ATTRIBUTES)
    value = chance.choice([0, -1, 2**62, 1.5, float("nan"), "text", [0, 9], [1.0], np.int64(2), [2**62, 1], [1] * 4])
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def other_input(graph: Any, chance: random.Random) -> None:
    kind = graph.input[0].type.tensor_type
    kind.elem_type = chance.choice([0, FLOAT, INT64, 8, 11, 99])
    kind.shape.dim[1].dim_value = chance.choice([-1, 0, 1, 4, 5, 2**40])


def no_outputs(graph: Any, chance: random.Random) -> None:
    del graph.output[:]
    if chance.random() < 0.5:
        graph.output.extend([helper.make_tensor_value_info("nowhere", FLOAT, [1])])


CHANGES = [
    drop_node, swap_nodes, other_operator, other_operand, more_operands, cycle, same_result_twice, drop_weight,
    other_shape, other_type, other_constant, other_attribute, other_input, no_outputs,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_graph_never_gives_another_error(change: Callable[..., None], good: bytes, tmp_path: Path) -> None:
    refused = 0
    for seed in range(25):
        model = onnx.load_from_string(good)
        change(model.graph, random.Random(seed))
        refused += read(model.SerializeToString(), tmp_path) is None
    assert refused


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(st.sampled_from(CHANGES), min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_several_changes_never_give_another_error(changes: Any, seed: int, good: bytes, tmp_path: Path) -> None:
    model, chance = onnx.load_from_string(good), random.Random(seed)
    for change in changes:
        try:
            change(model.graph, chance)
        except (IndexError, ValueError, StopIteration):  # an earlier change left nothing to change
            continue
    read(model.SerializeToString(), tmp_path)


# --- files made to do harm -------------------------------------------------------------------------------------


def graph_of(*nodes: Any, inputs: Any = (), constants: Any = (), opset: int = 18, output: str = "y") -> bytes:
    graph = helper.make_graph(
        list(nodes), "g", list(inputs), [helper.make_tensor_value_info(output, FLOAT, None)],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants],
    )  # fmt: skip
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString())


def chain(op: str, count: int, **attributes: Any) -> list[Any]:
    """Each node is made of the one before, twice."""
    names = ["x", *[f"h{at}" for at in range(count - 1)], "y"]
    return [helper.make_node(op, [before, before], [after], **attributes) for before, after in pairwise(names)]


HUGE = np.asarray([2**20, 2**20])
ROW = [helper.make_tensor_value_info("x", FLOAT, [1, 4])]
IMAGE = [helper.make_tensor_value_info("x", FLOAT, [1, 1, 4, 4])]


def picture(op: str, weights: bool = False, **attributes: Any) -> bytes:
    names = ["x", "w"] if weights else ["x"]
    constants = [("w", np.ones((1, 1, 2, 2), np.float32))] if weights else []
    return graph_of(helper.make_node(op, names, ["y"], **attributes), inputs=IMAGE, constants=constants)


BOMBS: dict[str, bytes] = {
    "constant": graph_of(helper.make_node("ConstantOfShape", ["s"], ["y"]), constants=[("s", HUGE)]),
    "expand": graph_of(helper.make_node("Expand", ["x", "s"], ["y"]), inputs=ROW, constants=[("s", [2**40, 4])]),
    "tile": graph_of(helper.make_node("Tile", ["x", "s"], ["y"]), inputs=ROW, constants=[("s", [2**20, 2**30])]),
    "pad": graph_of(helper.make_node("Pad", ["x", "s"], ["y"]), inputs=ROW, constants=[("s", [2**40, 0, 0, 0])]),
    "range": graph_of(
        helper.make_node("Range", ["a", "b", "c"], ["y"]), constants=[("a", 0), ("b", 2**60), ("c", 1)]
    ),
    "one hot": graph_of(
        helper.make_node("OneHot", ["i", "d", "v"], ["y"]), constants=[("i", [1]), ("d", 2**40), ("v", [0, 1])]
    ),
    "triangle": graph_of(
        helper.make_node("ConstantOfShape", ["s"], ["x"]), helper.make_node("Trilu", ["x"], ["y"]),
        constants=[("s", [15_000, 15_000])],
    ),
    "doubling": graph_of(*chain("Concat", 60, axis=0), inputs=ROW),
    "products": graph_of(
        helper.make_node("Unsqueeze", ["v", "one"], ["col"]), helper.make_node("Mul", ["col", "v"], ["a"]),
        helper.make_node("Reshape", ["a", "flat"], ["b"]), helper.make_node("Unsqueeze", ["b", "one"], ["c"]),
        helper.make_node("Mul", ["c", "b"], ["y"]),
        constants=[("v", np.ones(1000, np.float32)), ("one", [1]), ("flat", [-1])],
    ),
    "einsum": graph_of(
        helper.make_node("Einsum", ["v", "v", "v", "v"], ["y"], equation="a,b,c,d->abcd"),
        constants=[("v", np.ones(1000, np.float32))],
    ),
    "einsum of constants": graph_of(
        helper.make_node("Constant", [], ["v"], value_ints=list(range(1000))),
        helper.make_node("Einsum", ["v", "v", "v", "v"], ["y"], equation="a,b,c,d->abcd"),
    ),
    "constants expanded": graph_of(
        helper.make_node("ConstantOfShape", ["s"], ["x"]), helper.make_node("Expand", ["x", "t"], ["z"]),
        helper.make_node("Concat", ["z", "z", "z"], ["y"], axis=0), constants=[("s", [10_000]), ("t", [10_000] * 2)],
    ),
    "padded convolution": picture("Conv", weights=True, pads=[2**30] * 4),
    "spread convolution": picture("ConvTranspose", weights=True, strides=[2**30, 1]),
    "padded pooling": picture("MaxPool", kernel_shape=[1, 1], pads=[2**30] * 4),
    "resized": graph_of(helper.make_node("Resize", ["x", "", "s"], ["y"]), inputs=IMAGE,
                        constants=[("s", np.asarray([1, 1, 2**20, 2**20], np.float32))]),
    "reflected": graph_of(helper.make_node("Pad", ["x", "s"], ["y"], mode="reflect"), inputs=ROW,
                          constants=[("s", [0, 2**40, 0, 0])]),
    "input": graph_of(
        helper.make_node("Relu", ["x"], ["y"]), inputs=[helper.make_tensor_value_info("x", FLOAT, [2**40, 2**40])]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_does_not_make_large_arrays(name: str, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(BOMBS[name])
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError, match=r"large|at most|too large|elements"):
            import_onnx(tmp_path / "model.onnx")
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def raw(*fields: tuple[str, Any]) -> bytes:
    model = onnx.load_from_string(graph_of(helper.make_node("Relu", ["w"], ["y"]), constants=[("w", [1.0, 2.0])]))
    for name, value in fields:
        owner: Any = model.graph.initializer[0]
        if name == "dims":
            del owner.dims[:]
            owner.dims.extend(value)
        else:
            setattr(owner, name, value)
    return bytes(model.SerializeToString())


def strange_domain() -> bytes:
    return graph_of(helper.make_node("Relu", ["x"], ["y"], domain="com.example"), inputs=ROW)


def subgraph() -> bytes:
    inner = helper.make_graph([], "inner", [], [])
    return graph_of(helper.make_node("If", ["x"], ["y"], then_branch=inner, else_branch=inner), inputs=ROW)


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "no graph"),
    "text": (b"not a model at all", "no whole ONNX file|no graph"),
    "negative length": (raw(("dims", [-2])), "negative length"),
    "more elements than bytes": (raw(("dims", [2**40])), "takes"),
    "fewer elements than bytes": (raw(("dims", [1])), "takes"),
    "unknown type": (raw(("data_type", 77)), "number 77"),
    "other type": (raw(("data_type", 1)), "takes 8 bytes"),
    "texts as bytes": (raw(("data_type", 8)), "2 elements, the file 0"),
    "no operator set": (graph_of(helper.make_node("Relu", ["x"], ["y"]), inputs=ROW, opset=3), "operator set 3"),
    "newer operator set": (graph_of(helper.make_node("Relu", ["x"], ["y"]), inputs=ROW, opset=999), "set 999"),
    "unknown operator": (graph_of(helper.make_node("Loop", ["x", "x"], ["y"], name="one"), inputs=ROW), "one.*Loop"),
    "other domain": (strange_domain(), r"com\.example\.Relu"),
    "subgraph": (subgraph(), r"\(If\)"),
    "missing operand": (graph_of(helper.make_node("Add", ["x", "z"], ["y"], name="sum"), inputs=ROW), "'sum'.*'z'"),
    "itself": (graph_of(helper.make_node("Add", ["x", "y"], ["y"], name="loop"), inputs=ROW), "'loop'.*'y'"),
    "no output": (graph_of(helper.make_node("Relu", ["x"], ["z"]), inputs=ROW), "output 'y'"),
    "wrong shapes": (
        graph_of(helper.make_node("Gemm", ["x", "w"], ["y"], name="g"), inputs=ROW, constants=[("w", np.ones((3, 2)))]),
        "'g'",
    ),
    "unknown attribute": (graph_of(helper.make_node("Relu", ["x"], ["y"], slope=1.0), inputs=ROW), "'slope'"),
    "attribute of another type": (
        graph_of(helper.make_node("Softmax", ["x"], ["y"], axis=1.5), inputs=ROW),
        "'axis' should be of the type int",
    ),
    "missing attribute": (graph_of(helper.make_node("Cast", ["x"], ["y"]), inputs=ROW), "'to'"),
    "too many operands": (graph_of(helper.make_node("Relu", ["x", "x"], ["y"]), inputs=ROW), "does not fit"),
    "shape from values": (
        graph_of(
            helper.make_node("Cast", ["x"], ["i"], to=7), helper.make_node("Reshape", ["x", "i"], ["y"]), inputs=ROW
        ),
        "Reshape",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_named(name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match=message):
        import_onnx(tmp_path / "model.onnx")


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nowhere.onnx", tmp_path, tmp_path / "pipe", "/dev/zero", "bad\0name"):
        with pytest.raises(CheckpointError):
            import_onnx(path)
    with pytest.raises(DTypeError, match="path"):
        import_onnx(3)  # type: ignore[arg-type]
