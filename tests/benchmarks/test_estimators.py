"""The comparison of estimators: both on the same terms, and a table that says so."""

from io import StringIO

import pytest
from rich.console import Console

pytest.importorskip("sklearn")

from benchmarks.estimators import Task, contenders, measured, report, tasks


@pytest.fixture
def small() -> Task:
    iris = tasks("float64")[-1]
    return Task("iris", iris.inputs, iris.targets, 3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_both_train_for_all_epochs_with_the_same_parameters(small) -> None:
    ours, theirs = (make().fit(small.inputs, small.targets) for make in contenders(small).values())
    assert ours.n_iter_ == theirs.n_iter_ == small.epochs
    shared = {name: value for name, value in theirs.get_params().items() if name in ours.get_params()}
    assert {name: ours.get_params()[name] for name in shared} == shared


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_table_has_a_line_for_everything_measured(small) -> None:
    ticks = iter(range(10**6))
    times, accuracy = measured(small, 1, lambda: float(next(ticks)))
    console = Console(width=120, record=True, file=StringIO())
    console.print(report([(small, "float64", times, accuracy)]))
    text = console.export_text()
    for line in ("first fit", "fit", "predict 1 row", "predict 10,000 rows", "accuracy"):
        assert line in text
    assert set(accuracy) == {"lamina", "scikit-learn"}
