"""Names of other libraries: errors say what a thing is called here, and what they say exists."""

import inspect
import pickle
import re

import pytest

import lamina as la
from lamina import nn, optim, other_names

TABLES = {
    "tensor": (lambda: la.ones(2), other_names.TENSOR),
    "lamina": (lambda: la, other_names.FUNCTIONS),
    "nn": (lambda: nn, other_names.NN),
    "module": (lambda: nn.Linear(1, 1), other_names.MODULE),
    "optim": (lambda: optim, other_names.OPTIM),
    "optimizer": (lambda: optim.SGD([la.variable(1.0)], lr=0.1), other_names.OPTIMIZER),
    "random": (lambda: la.random, other_names.RANDOM),
    "init": (lambda: nn.init, other_names.INIT),
}
ROWS = [(table, name) for table, (_, names) in TABLES.items() for name in names]
ROOTS = {
    "la": la, "nn": nn, "x": la.variable([[1.0]]), "w": la.variable([1.0]),
    "model": nn.Linear(1, 1), "module": nn.Linear(1, 1),
    "optimizer": optim.SGD([la.variable(1.0)], lr=0.1), "loss": la.ones(()), "generator": la.random.Generator(0),
}  # fmt: skip


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_name_from_elsewhere_is_told_what_it_is_called_here(table, name):
    make, names = TABLES[table]
    with pytest.raises(AttributeError, match=re.escape(f"has no attribute {name!r}; here it is {names[name]}")):
        getattr(make(), name)


@pytest.mark.parametrize(("table", "name"), ROWS)
def test_what_is_told_exists(table, name):
    for root, path in re.findall(r"\b(\w+)((?:\.[a-zA-Z_]\w*)+)", TABLES[table][1][name]):
        found = ROOTS.get(root)
        for step in path.split(".")[1:] if found is not None else ():
            assert hasattr(found, step), f"{root}{path}"
            found = getattr(found, step)


@pytest.mark.parametrize("make", [make for make, _ in TABLES.values()], ids=TABLES)
def test_name_from_nowhere_is_an_ordinary_attribute_error(make):
    with pytest.raises(AttributeError, match=r"has no attribute 'nowhere'$"):
        make().nowhere  # noqa: B018


def test_error_inside_of_a_property_is_not_hidden():
    class Scaled(nn.Module):
        @property
        def weights(self):
            return self.missing_inside

    with pytest.raises(AttributeError, match="'missing_inside'"):
        Scaled().weights  # noqa: B018


def test_attributes_of_ones_own_by_such_names_work():
    class Net(nn.Module):
        def __init__(self):
            self.weights = [la.variable([1.0])]

        def half(self):
            return self.weights[0] / 2

    assert Net().half().tolist() == [0.5]


def test_tensors_and_modules_are_pickled_all_the_same():
    model = pickle.loads(pickle.dumps(nn.Linear(2, 1)))
    assert pickle.loads(pickle.dumps(la.ones(2))).tolist() == [1.0, 1.0]
    assert model(la.ones((1, 2))).shape == (1, 1)


def test_assigning_the_learning_rate_says_how():
    optimizer = optim.SGD([la.variable(1.0)], lr=0.1)
    with pytest.raises(la.AssignmentError, match=r"optimizer\.lr\.assign\(0\.01\)"):
        optimizer.lr = 0.01
    assert optimizer.lr.item() == 0.1


@pytest.mark.parametrize("digits", [None, 1, 2])
def test_numbers_are_rounded_as_pythons(digits):
    assert round(la.asarray(2.567, dtype="float64"), digits) == round(2.567, digits)
    with pytest.raises(la.ShapeError, match="round: a tensor of shape"):
        round(la.ones(2))


X = la.ones((2, 3))
ARGUMENTS = [
    (lambda: X.sum(dim=1), "sum", "dim", "axis"),
    (lambda: X.mean(axis=1, keepdim=True), "mean", "keepdim", "keepdims"),
    (lambda: X.flatten(start_dim=1), "flatten", "start_dim", "start_axis"),
    (lambda: X.std(unbiased=True), "std", "unbiased", "correction=1"),
    (lambda: la.concat([X, X], dim=0), "concat", "dim", "axis"),
    (lambda: la.roll(X, 1, dims=0), "roll", "dims", "axis"),
    (lambda: la.softmax(X, dim=-1), "softmax", "dim", "axis"),
    (lambda: nn.normalize(X, dim=1), "normalize", "dim", "axis"),
    (lambda: nn.cosine_similarity(X, X, dim=1), "cosine_similarity", "dim", "axis"),
    (lambda: nn.Softmax(dim=1), "Softmax", "dim", "axis"),
    (lambda: nn.ReLU(inplace=True), "ReLU", "inplace", "nothing"),
    (lambda: nn.Linear(2, 3, device="cpu"), "Linear", "device", 'model.to("cuda")'),
    (lambda: nn.Linear(2, 3, activation="relu"), "Linear", "activation", "a layer of its own"),
    (lambda: nn.MSELoss(size_average=True), "MSELoss", "size_average", "reduction="),
    (lambda: optim.Adam([la.variable(1.0)], learning_rate=0.1), "Adam", "learning_rate", "lr"),
    (lambda: optim.Adam([la.variable(1.0)], fused=True), "Adam", "fused", "nothing"),
]


@pytest.mark.parametrize(("call", "owner", "name", "remedy"), ARGUMENTS)
def test_argument_from_elsewhere_is_told_what_it_is_called_here(call, owner, name, remedy):
    said = f"{owner}() got an unexpected keyword argument {name!r}; here it is {remedy}"
    with pytest.raises(TypeError, match=re.escape(said)):
        call()


def test_argument_from_nowhere_is_an_ordinary_type_error():
    for call in (lambda: X.sum(nowhere=1), lambda: nn.Linear(2, 3, nowhere=1), lambda: nn.Identity(nowhere=1)):
        with pytest.raises(TypeError, match=r"(got an unexpected keyword argument 'nowhere'|takes no arguments)$"):
            call()


def test_arguments_of_ones_own_by_such_names_work():
    class Block(nn.Module):
        def __init__(self, dim, name="block"):
            self.inner = nn.Linear(dim, dim)

    class Wide(Block):
        def __init__(self, **settings):
            super().__init__(**settings)

    assert Block(dim=3).inner.weight.shape == Wide(dim=3).inner.weight.shape == (3, 3)


def test_signatures_are_those_of_what_a_class_is_made_with():
    assert list(inspect.signature(nn.Linear).parameters)[:3] == ["in_features", "out_features", "bias"]
    assert list(inspect.signature(optim.SGD).parameters)[:3] == ["params", "lr", "momentum"]
    assert list(inspect.signature(nn.Linear(1, 1)).parameters) == ["x"]


def test_setting_requires_grad_says_how_to_freeze():
    with pytest.raises(AttributeError, match="trainable = False freezes it"):
        la.variable(1.0).requires_grad = False


def test_step_without_gradients_says_what_to_write():
    with pytest.raises(la.DTypeError, match=r"got nothing; write optimizer\.step\(loss\.backward\(\)\)"):
        optim.SGD([la.variable(1.0)], lr=0.1).step()


@pytest.mark.parametrize("dtype", [la.float64, "float16"])
def test_moving_to_a_type_says_astype(dtype):
    with pytest.raises(la.BackendError, match="astype"):
        X.to(dtype)


def test_a_tensor_of_another_library_is_named_with_it():
    torch = pytest.importorskip("torch")
    with pytest.raises(la.DTypeError, match=r"got torch\.Tensor"):
        nn.Linear(2, 1)(torch.ones(1, 2))


def test_a_schedule_is_not_stepped_inside_of_a_compiled_function():
    w = la.variable(1.0)
    optimizer = optim.SGD([w], lr=0.1)
    schedule = optim.StepLR(optimizer, 1)

    @la.compile
    def step():
        optimizer.step((w * w).backward())
        schedule.step()

    with pytest.raises(la.TracingError, match=r"StepLR\.step: .* beside the compiled function"):
        step()
    assert schedule.last_epoch == 0
    assert w.item() == 1.0


def test_packing_with_traced_lengths_says_what_recurrent_layers_take():
    pack = la.compile(lambda x, lengths: nn.pack_padded_sequence(x, lengths, batch_first=True).data)
    with pytest.raises(la.TracingError, match=r"rnn\(x, lengths=lengths\)"):
        pack(X, la.asarray([3, 2]))


def test_layers_named_by_a_dict_are_refused_with_where_names_come_from():
    with pytest.raises(la.DTypeError, match=r"got dict; layers are named by their positions here"):
        nn.Sequential({"fc": nn.Linear(1, 1)})
