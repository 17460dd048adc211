"""From options to optimisers, schedules and losses."""

import pytest

import lamina as la
from lamina import nn
from lamina.runs.building import build_loss, build_optimizer, build_schedule, optimizers
from lamina.runs.option_declaration import OptionError
from lamina.runs.options import SCHEDULES, TrainingOptions


def rates(epochs: int = 12, **options: object) -> list[float]:
    """Return the learning rate of each epoch."""
    chosen = TrainingOptions(epochs=epochs, lr=0.1, **options)  # type: ignore[arg-type]
    optimizer = build_optimizer(nn.Linear(2, 1), chosen)
    schedule = build_schedule(optimizer, chosen)
    found = []
    for _ in range(epochs):
        found.append(float(optimizer.lr.item()))
        if isinstance(schedule, la.optim.ReduceLROnPlateau):
            schedule.step(1.0)
        elif schedule is not None:
            schedule.step()
    return found


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_can_be_built_and_ends_no_higher(name: str) -> None:
    found = rates(schedule=name)
    assert max(found) <= 0.1 * 1.0001
    assert found[-1] <= found[0] * 1.0001


@pytest.mark.parametrize("name", ["constant", "cosine", "linear", "step"])
def test_warm_up_rises_to_the_learning_rate_and_the_schedule_follows(name: str) -> None:
    found = rates(schedule=name, warmup=3)
    assert found[:3] == sorted(found[:3])
    assert found[0] < 0.05
    assert found[3] == pytest.approx(0.1)


@pytest.mark.parametrize("name", optimizers())
def test_every_optimizer_can_be_built_from_its_name(name: str) -> None:
    made = build_optimizer(nn.Linear(2, 1), TrainingOptions(optimizer=name, lr=0.5))
    assert float(made.lr.item()) == 0.5


REFUSED = [
    ({"optimizer_settings": {"momentun": 0.9}, "optimizer": "sgd"}, "sgd has no setting 'momentun' (did you mean"),
    ({"optimizer_settings": {"betas": 3}}, "betas"),
    ({"schedule_settings": {"gamma": 0.5}}, "a constant learning rate has no settings"),
    ({"schedule": "step", "schedule_settings": {"gama": 0.5}}, "step has no setting 'gama' (did you mean gamma?)"),
    ({"schedule": "plateau", "warmup": 2}, "has no warm-up"),
    ({"warmup": 200}, "200 of 200 epochs leave none"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_settings_that_do_not_fit_are_named(options: dict[str, object], message: str) -> None:
    chosen = TrainingOptions(**options)  # type: ignore[arg-type]
    with pytest.raises(OptionError) as error:
        build_schedule(build_optimizer(nn.Linear(2, 1), chosen), chosen)
    assert message in str(error.value)


@pytest.mark.parametrize(("loss", "classes"), [("mse", True), ("huber", True), ("cross_entropy", False)])
def test_loss_of_the_other_task_is_refused(loss: str, classes: bool) -> None:
    with pytest.raises(OptionError, match=loss):
        build_loss(TrainingOptions(loss=loss), classes)
