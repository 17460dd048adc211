"""The options of a training, each declared once: its kind, bounds, default and help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self, TypeVar

from lamina.backends.precision import PRECISIONS
from lamina.data.decimals import DECIMALS, Decimal
from lamina.runs.data_kinds import IMAGES, MODELS, TABLE, kind_of, models_of
from lamina.runs.image_options import ImageOptions
from lamina.runs.option_declaration import checked, declared, option
from lamina.runs.option_kinds import Choice, Flag, Kind, Listed, Number, Settings, Whole, Widths, positive, share
from lamina.runs.presets import suited
from lamina.runs.text_options import TextOptions

TASKS = ("classification", "regression", "text")
LOSSES = ("auto", "cross_entropy", "mse", "mae", "huber", "smooth_l1")
SCHEDULES = ("constant", "cosine", "linear", "polynomial", "exponential", "step", "one_cycle", "plateau")
OF_HIDDEN_LAYERS = ("activation", "dropout")
"""What an mlp without hidden layers has none of."""
COMPILE = ("auto", "always", "never")
WHICH_TABLE = 'Which table of a SQLite file, array of a .npz, file of a .zip, or "test" of Iron Learn\'s JSON.'
ENCODING = "How the text of the file is encoded, such as windows-1252 or utf-16."
FOUND_ENCODING = "by the first bytes; utf-8 where they say nothing"
HEADER = "Whether the first line names the columns; without, they are called column_1, column_2, ..."

Options = TypeVar("Options")


def _optimizer_names() -> Sequence[str]:
    from lamina.runs.building import optimizers

    return list(optimizers())


def _activation_names() -> Sequence[str]:
    from lamina.nn.activations import ACTIVATIONS

    return list(ACTIVATIONS)


def _metric_names() -> Sequence[str]:
    from lamina.training.metrics import METRICS

    return list(METRICS)


_MUON = {"muon": "Muon trains matrices only, and a network has biases too"}


@dataclass(frozen=True)
class TrainingOptions(ImageOptions, TextOptions):
    """What the user can choose about a training, with what is chosen where nothing is said.

    ``TrainingOptions(file="houses.csv", target="price", epochs=50)`` takes values of the right types as they are;
    `TrainingOptions.of` checks plain ones, such as those of a file, and fills in what suits the data.
    """

    # --- what to learn from ---
    file: str | None = option(
        Kind(metavar="FILE"),
        None,
        "A table (.csv, .tsv, .json, .ndjson, .parquet, .arrow, .sqlite, ...), arrays (.npy, .npz, IDX), a folder of "
        "images with a folder for each class, a text (.txt, .md), or the name of an embedded set: see `lamina data`.",
        "data",
        shown="the embedded digits",
        argument=True,
    )
    target: str | None = option(
        Kind(metavar="COLUMN"), None, "The column of the table to predict.", "data", flags=("-t",), of=(TABLE,)
    )
    task: str | None = option(
        Choice(among=TASKS, metavar="TASK"),
        None,
        "classification, regression, or text: a language model of any text file.",
        "data",
        shown="classification if the target is text, boolean, or whole numbers with at most 10 values; else regression",
    )
    table: str | None = option(Kind(metavar="NAME"), None, WHICH_TABLE, "data", of=(TABLE,))
    decimal: Decimal | None = option(  # noqa: RUF009 - the call makes a field
        Choice(among=DECIMALS, metavar="MARK"),
        None,
        "How numbers are written: . for 1,234.5 and , for 1.234,5.",
        "data",
        shown="found in the columns",
        of=(TABLE,),
    )
    encoding: str | None = option(Kind(metavar="NAME"), None, ENCODING, "data", shown=FOUND_ENCODING, of=(TABLE,))
    header: bool = option(Flag(), True, HEADER, "data", shown="with", of=(TABLE,))
    ignore: tuple[str, ...] = option(
        Listed(metavar="COLUMN,..."), (), "Columns that are not to be used.", "data", of=(TABLE,)
    )
    weights: str | None = option(
        Kind(metavar="COLUMN"),
        None,
        "The column that says how much each row counts; it is no input then.",
        "data",
        of=(TABLE,),
    )
    validation: float = option(
        share(), 0.2, "Share of the data set aside to choose the best weights; 0 for none.", "data"
    )
    test: float | None = option(
        share(),
        None,
        "Share of the data held out and measured once, at the end; the seed says which.",
        "data",
        shown="0.2 for embedded sets, 0 for other data",
    )

    # --- the network ---
    model: str | None = option(
        Choice(among=tuple(MODELS)),
        None,
        "mlp for tables; cnn, lenet5, resnet18, resnet34 or resnet50 for images; gpt for text.",
        "model",
        shown="mlp, cnn or gpt, as the data are",
    )
    width: int | None = option(
        Whole(wanted="a layer has at least 1 channel", least=1, below=10**6),
        None,
        "Width of a gpt's layers, or channels of the first convolutions of a cnn or a resnet.",
        "model",
        of=("cnn", "resnet18", "resnet34", "resnet50", "gpt"),
    )
    depth: int | None = option(
        Whole(wanted="at least 1 is needed", least=1, below=1000),
        None,
        "Blocks of a gpt, or stages of a cnn, each of which halves the image.",
        "model",
        of=("cnn", "gpt"),
    )
    hidden: tuple[int, ...] = option(
        Widths(),
        (64, 32),
        'Widths of the hidden layers, such as "128,64"; "" for a linear or logistic model.',
        "model",
        of=("mlp",),
    )
    activation: str = option(
        Choice(among=_activation_names), "relu", "Between the layers: relu, gelu, tanh, ...", "model", of=("mlp",)
    )
    dropout: float = option(
        share(), 0.0, "Share of hidden values dropped in training.", "model", of=("mlp", "cnn", "gpt")
    )

    # --- what is minimised ---
    loss: str = option(
        Choice(among=LOSSES),
        "auto",
        "cross_entropy for classes; mse, mae, huber or smooth_l1 for values.",
        "loss",
        shown="cross_entropy for classes, mse for values",
        of=(TABLE,),
    )
    label_smoothing: float = option(
        share(), 0.0, "Share of certainty that the loss gives to the other classes.", "loss", of=(TABLE, IMAGES)
    )
    class_weight: Mapping[str, float] | str | None = option(
        Settings(value=positive("a weight must be above 0 and finite"), word="balanced"),
        None,
        'How much each class counts: "balanced" by their numbers, or such as "yes=3, no=1".',
        "loss",
        of=(TABLE, IMAGES),
    )
    l1: float = option(
        Number(wanted="the penalty must be at least 0", least=0.0), 0.0, "Penalty on absolute weights.", "loss"
    )
    l2: float = option(
        Number(wanted="the penalty must be at least 0", least=0.0), 0.0, "Penalty on squared weights.", "loss"
    )

    # --- how it is minimised ---
    optimizer: str = option(
        Choice(among=_optimizer_names, refused=_MUON), "adamw", "adamw, adam, sgd, rmsprop, lion, ...", "optimizer"
    )
    lr: float | None = option(
        positive("the learning rate must be greater than 0 and finite"),
        None,
        "Learning rate.",
        "optimizer",
        shown="0.001, or 0.01 without hidden layers",
    )
    weight_decay: float | None = option(
        Number(wanted="the decay must be at least 0", least=0.0),
        None,
        "By how much each step shrinks the weights.",
        "optimizer",
        shown="the optimizer's own: 0.01 for adamw, 0 for most",
    )
    optimizer_settings: Mapping[str, Any] = option(
        Settings(), {}, 'Other settings of the optimizer, such as "momentum=0.9, nesterov=true".', "optimizer"
    )
    schedule: str = option(
        Choice(among=SCHEDULES), "constant", f"Of the learning rate: {', '.join(SCHEDULES)}.", "optimizer"
    )
    schedule_settings: Mapping[str, Any] = option(
        Settings(), {}, 'Settings of the schedule in place of its own, such as "gamma=0.5, step_size=20".', "optimizer"
    )
    warmup: int = option(
        Whole(wanted="the number of epochs must be at least 0"),
        0,
        "Epochs in which the learning rate rises.",
        "optimizer",
    )
    clip_norm: float | None = option(
        positive("the norm must be greater than 0"), None, "Largest norm of the gradients.", "optimizer"
    )

    # --- for how long ---
    epochs: int = option(Whole(wanted="train for at least 1 epoch", least=1), 200, "Passes over the data.", "training")
    batch_size: int = option(
        Whole(wanted="a step takes at least 1 sample", least=1),
        32,
        "Rows, images or windows of text per step.",
        "training",
    )
    accumulate: int = option(
        Whole(wanted="a step takes at least 1 batch", least=1), 1, "Batches whose gradients make one step.", "training"
    )
    mixup: float | None = option(
        positive("the strength must be greater than 0"),
        None,
        "Mix pairs of rows or images with shares from a Beta(x, x) distribution.",
        "training",
        of=(TABLE, IMAGES),
    )
    ema: float | None = option(
        Number(wanted="the decay must be above 0 and below 1", above=0.0, below=1.0),
        None,
        "Keep a moving average of the weights with this decay, such as 0.999, and use it.",
        "training",
    )
    patience: int = option(
        Whole(wanted="the number of epochs must be at least 0"),
        30,
        "Stop after so many epochs without a better value; 0 for never.",
        "training",
    )
    min_delta: float = option(
        Number(wanted="the difference must be at least 0", least=0.0),
        0.0,
        "By how much a value must be better.",
        "training",
    )
    monitor: str | None = option(
        Kind(metavar="NAME"),
        None,
        "What tells the best epoch, such as val_accuracy.",
        "training",
        shown="val_loss, or loss without validation",
    )
    metrics: tuple[str, ...] = option(
        Listed(item=Choice(among=_metric_names, pattern=r"top_[1-9]\d{0,5}_accuracy")),
        (),
        "What is measured after each epoch and at the end, such as accuracy,f1_macro.",
        "training",
        shown="accuracy for classes, r2 for values",
        of=(TABLE, IMAGES),
    )
    max_seconds: float | None = option(
        positive("the time must be greater than 0"), None, "Stop after this time.", "training"
    )
    seed: int = option(
        Whole(wanted="the seed must be at least 0 and below 2**32", below=2**32),
        0,
        "The same seed gives the same model.",
        "training",
    )

    # --- where, and what is kept ---
    device: str = option(Kind(), "cpu", "Where to compute: cpu, cuda, or a device of a plugin.", "run")
    compile: str = option(
        Choice(among=COMPILE), "auto", "Whether the steps are compiled: auto, always or never.", "run"
    )
    matmul_precision: str = option(
        Choice(among=tuple(PRECISIONS)),
        "float32",
        "How precisely products of matrices are computed: float32, or bfloat16, which is faster.",
        "run",
    )
    checkpoint_epochs: int | None = option(
        Whole(wanted="a checkpoint takes at least 1 epoch", least=1),
        None,
        "Epochs from checkpoint to checkpoint.",
        "run",
    )
    checkpoint_seconds: float | None = option(
        positive("the time must be greater than 0"),
        None,
        "Seconds from checkpoint to checkpoint.",
        "run",
        shown="as often as it takes a fiftieth of the time at most",
    )
    checkpoint_keep: int = option(
        Whole(wanted="at least 1 is kept", least=1),
        3,
        "How many of the latest checkpoints are kept, beside the best.",
        "run",
    )
    tensorboard: bool = option(Flag(), False, "Also write event files for TensorBoard.", "run")

    @property
    def kind(self) -> str:
        """The kind of data that is learned from."""
        return kind_of(self.file, self.task, self.target)

    @property
    def learning_rate(self) -> float:
        """The one given, or what suits the network."""
        return self.lr if self.lr is not None else 0.001 if self.hidden else 0.01

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Return options from plain values, the others as they suit the data.

        Raises
        ------
        OptionError
            When one is out of range or not known; the message says what is valid.
        """
        return filled(cls, checked(cls, given))


def filled(table: type[Options], values: Mapping[str, Any]) -> Options:
    """Return a dataclass of options with the values given and defaults that suit the data."""
    found = {**_suited(values), **values} if issubclass(table, TrainingOptions) else values
    made = table(**found)
    if isinstance(made, TrainingOptions) and made.lr is None:
        made = replace(made, lr=made.learning_rate)
    return made


def _suited(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what suits the data, of what is for the network."""
    kind, rows = kind_of(values.get("file"), values.get("task"), values.get("target")), declared(TrainingOptions)
    model = values.get("model") or models_of(kind)[0]
    linear = model == "mlp" and values.get("hidden") == ()
    return {
        name: value
        for name, value in suited(values).items()
        if rows[name].serves(kind, model) and not (linear and name in OF_HIDDEN_LAYERS)
    }
