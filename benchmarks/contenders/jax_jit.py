"""JAX: value, gradient and optax's Adam in one jitted function that is given its state to overwrite.

A step does not wait for its result, as in a training loop that reads losses now and then; a measurement ends when
the last result is there. Inference of one sample waits each time: what counts there is when the answer is known. It
runs without asynchronous dispatch, since handing the work to another thread only to wait for it costs more than it
gains.
"""

from __future__ import annotations

from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import WEIGHT_DECAY, Workload


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    return _training(workload) if workload.trains else _inference(workload)


def _training(workload: Workload) -> Task:
    assert workload.loss is not None
    import jax
    import jax.numpy as jnp
    import optax

    from benchmarks.networks import jax as networks

    ready: Any = jax.block_until_ready
    forward, loss_function = networks.network(workload.architecture), networks.loss_function(workload.loss)
    if workload.optimizer == "adamw":
        optimizer: Any = optax.adamw(workload.lr, weight_decay=WEIGHT_DECAY)
    else:
        optimizer = optax.adam(workload.lr)
    values, labels = workload.data()
    inputs, targets = networks.inputs(workload.architecture, values), jnp.asarray(labels)
    state: list[Any] = []

    def reset() -> None:
        parameters = networks.parameters(workload.architecture, workload.arrays())
        state[:] = [parameters, optimizer.init(parameters)]

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        return loss_function(forward(parameters, x), y)

    def update(parameters: Any, moments: Any, x: Any, y: Any) -> Any:
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        changes, moments = optimizer.update(gradients, moments, parameters)
        return optax.apply_updates(parameters, changes), moments, loss

    def start() -> Step:
        compiled = jax.jit(update, donate_argnums=(0, 1))

        def step() -> Any:
            state[0], state[1], loss = compiled(state[0], state[1], inputs, targets)
            return loss

        return step

    reset()
    return Task(start, reset=reset, wait=lambda loss: ready((loss, state)))


def _inference(workload: Workload) -> Task:
    import jax

    from benchmarks.networks import jax as networks

    config: Any = jax.config
    config.update("jax_cpu_enable_async_dispatch", False)
    forward = networks.network(workload.architecture)
    parameters = networks.parameters(workload.architecture, workload.arrays())
    x = networks.inputs(workload.architecture, workload.data()[0])

    def start() -> Step:
        # Weights as constants of the program: faster than as arguments.
        predict = jax.jit(lambda x: forward(parameters, x))
        return lambda: predict(x).block_until_ready()

    return Task(start)


CONTENDER = Contender("JAX jit", ("jax", "optax"), build)
