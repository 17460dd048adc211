"""What a model looks like in print."""

import subprocess
import sys

import pytest

import lamina as la
from lamina import nn


class Block(nn.Module):
    def __init__(self):
        self.scale = la.variable([1.0, 2.0, 3.0])
        self.layers = [nn.Linear(3, 3), nn.Dropout(0.1)]
        self.mean = la.variable([0.0], trainable=False)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x * self.scale


def test_repr_draws_the_tree():
    model = nn.Sequential(Block(), nn.GELU("tanh"), la.tanh, nn.Sequential())
    assert repr(model) == (
        "Sequential(\n"
        "  (0): Block(\n"
        "    scale=[3], mean=[1]\n"
        "    (layers.0): Linear(in_features=3, out_features=3, bias=True)\n"
        "    (layers.1): Dropout(p=0.1)\n"
        "  )\n"
        "  (1): GELU(approximate='tanh')\n"
        "  (2): tanh\n"
        "  (3): Sequential()\n"
        ")"
    )


def test_repr_is_that_of_pytorch():
    torch = pytest.importorskip("torch")
    t = torch.nn
    theirs = t.Sequential(
        t.Linear(2, 8), t.LeakyReLU(0.2), t.Sequential(t.ELU(), t.Sigmoid()), t.Linear(8, 1, bias=False)
    )
    ours = nn.Sequential(
        nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Sequential(nn.ELU(), nn.Sigmoid()), nn.Linear(8, 1, bias=False)
    )
    assert repr(ours) == repr(theirs)


def test_repr_of_a_cycle_ends():
    block = nn.Sequential(nn.ReLU())
    block.append(nn.Sequential(block))
    assert repr(block) == ("Sequential(\n  (0): ReLU()\n  (1): Sequential(\n    (0): Sequential(...)\n  )\n)")


def test_summary_shows_layers_shapes_and_counts():
    model = nn.Sequential(Block(), nn.Flatten(), nn.Linear(3, 1000))
    assert str(model.summary((4, 3))) == (
        "Layer                                Output      Parameters\n"
        "───────────────────────────────────────────────────────────\n"
        "Sequential                           [4, 1000]\n"
        "  0 Block                            [4, 3]               3\n"
        "    layers.0 Linear                  [4, 3]              12\n"
        "    layers.1 Dropout                 [4, 3]\n"
        "  1 Flatten                          [4, 3]\n"
        "  2 Linear                           [4, 1000]        4,000\n"
        "───────────────────────────────────────────────────────────\n"
        "Total (16,064 bytes, 1 in buffers)                    4,015"
    )


def test_summary_holds_the_numbers():
    summary = nn.MLP(2, [8, 4], 1).summary((1, 2))
    assert (summary.parameters, summary.buffers, summary.memory) == (65, 0, 260)
    assert [(row.depth, row.name, row.kind, row.parameters) for row in summary.rows[:2]] == [
        (0, "", "MLP", 0),
        (1, "0", "Linear", 24),
    ]


def test_frozen_parameters_are_parameters_that_are_not_trained():
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    free = model.summary((4, 2))
    model[0].freeze()
    model[2].bias.trainable = False
    frozen = model.summary((4, 2))
    assert (free.parameters, free.trainable, free.frozen, free.buffers) == (49, 49, 0, 17)
    assert (frozen.parameters, frozen.trainable, frozen.frozen, frozen.buffers) == (49, 24, 25, 17)
    assert [(row.parameters, row.frozen) for row in frozen.rows] == [(0, 0), (24, 24), (16, 0), (9, 1)]
    head, _, *rows, _, total = (line.split() for line in str(frozen).splitlines())
    assert head == ["Layer", "Output", "Parameters", "Frozen"]
    assert [row[-2:] for row in rows[1:]] == [["24", "24"], ["8]", "16"], ["9", "1"]]
    assert total == ["Total", "(268", "bytes,", "17", "in", "buffers)", "49", "25"]
    assert model.unfreeze().summary((4, 2)) == free


def test_frozen_parameters_are_counted_as_by_pytorch():
    torch = pytest.importorskip("torch")
    ours, theirs = (
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)),
    )
    ours[0].freeze()
    theirs[0].requires_grad_(False)
    summary = ours.summary((1, 3, 8, 8))
    assert summary.parameters == sum(each.numel() for each in theirs.parameters())
    assert summary.trainable == sum(each.numel() for each in theirs.parameters() if each.requires_grad)
    assert summary.buffers == sum(each.numel() for each in theirs.buffers())


def test_summary_prints_the_same_by_itself_and_through_rich():
    from io import StringIO

    from rich.console import Console

    summary = nn.Linear(2, 1).summary((1, 2))
    text = StringIO()
    Console(file=text, width=200).print(summary)
    assert [line.rstrip() for line in text.getvalue().splitlines()] == str(summary).splitlines()
    assert repr(summary) == str(summary)


def test_shared_layers_count_once_in_the_summary():
    layer = nn.Linear(2, 2)
    summary = nn.Sequential(layer, nn.ReLU(), layer).summary((1, 2))
    assert summary.parameters == 6
    assert sum(row.parameters for row in summary.rows) == 6


def test_a_variable_shared_between_layers_counts_once_in_the_summary():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    summary = nn.Sequential(first, second).summary((1, 2))
    assert [row.parameters for row in summary.rows] == [0, 6, 2]
    assert summary.parameters == 8


def test_layers_that_are_not_called_have_no_output():
    model = nn.Sequential(nn.Linear(2, 2))
    model.spare = nn.Linear(2, 2)
    assert [row.output for row in model.summary((1, 2)).rows] == ["[1, 2]", "[1, 2]", ""]


def test_summary_shows_every_output_of_a_layer_with_several():
    class Two(nn.Module):
        def __call__(self, x, y):
            return {"sum": x + y, "pair": (x, [y])}

    assert Two().summary((2, 3), (3,)).rows[0].output == "sum: [2, 3], pair: [2, 3], [3]"


def test_summary_takes_integer_inputs():
    class Lookup(nn.Module):
        def __init__(self):
            self.table = la.variable([[1.0, 2.0]])

        def __call__(self, indices):
            return la.take(self.table, indices, axis=0)

    assert Lookup().summary((5,), dtype="int64").rows[0].output == "[5, 2]"


def test_summary_leaves_the_model_and_the_random_numbers_as_they_were():
    class Counting(nn.Module):
        def __init__(self):
            self.calls = la.variable(0, trainable=False)
            self.dropout = nn.Dropout(0.5)

        def __call__(self, x):
            self.calls.assign(self.calls + 1)
            return self.dropout(x + la.random.normal(x.shape))

    model = nn.Sequential(Counting(), nn.Dropout(0.5).eval())
    kinds = [type(module) for module in model.modules()]
    la.random.seed(3)
    expected = la.random.uniform((2,)).numpy()
    la.random.seed(3)
    model.summary((1, 2))
    assert (la.random.uniform((2,)).numpy() == expected).all()
    assert model[0].calls.item() == 0
    assert [module.training for module in model.modules()] == [True, True, True, False]
    assert "training" not in vars(model)
    assert [type(module) for module in model.modules()] == kinds


def test_a_summary_that_fails_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
    with pytest.raises(la.ShapeError, match="in_features=2"):
        model.summary((1, 3))
    assert type(model[0]) is nn.Linear
    assert model[1].training


def test_summary_runs_on_the_device_of_the_model():
    assert nn.Linear(2, 1).to("strict").summary((1, 2)).rows[0].output == "[1, 1]"


def test_rich_is_loaded_only_to_print():
    code = "import sys; from lamina import nn; s = nn.Linear(2, 1).summary((1, 2)); assert 'rich' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_integer_is_a_shape_of_one_axis():
    model = nn.Linear(2, 3)
    assert str(model.summary(2)) == str(model.summary((2,)))
