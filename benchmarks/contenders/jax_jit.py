"""JAX: value, gradient and optax's Adam in one jitted function that is given its state to overwrite.

Weights are [in, out], JAX's natural form. A step does not wait for its result, as in a training loop that reads
losses now and then; a measurement ends when the last result is there. Inference of one sample waits each time:
what counts there is when the answer is known. It runs without asynchronous dispatch, since handing the work to
another thread only to wait for it costs more than it gains.
"""

from __future__ import annotations

import math
from typing import Any

from benchmarks.contender import Contender, Step, Task
from benchmarks.workloads import Workload


def first_parameters(workload: Workload) -> list[tuple[Any, Any]]:
    """Return the first weights and biases; copies, since a step overwrites them.

    Channels come last, JAX's natural form: [height, width, in, out].
    """
    import jax.numpy as jnp

    found = []
    for weight, bias in workload.weights():
        natural = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        found.append((jnp.array(natural, copy=True), jnp.array(bias, copy=True)))
    if workload.channels:
        # The first linear layer sees the image with its channels last.
        place, (weight, bias) = len(workload.channels), found[len(workload.channels)]
        channels = workload.channels[-1]
        side = math.isqrt(workload.sizes[0] // channels)
        image_first = weight.reshape(channels, side, side, -1).transpose(1, 2, 0, 3)
        found[place] = (image_first.reshape(weight.shape), bias)
    return found


def forward(parameters: list[tuple[Any, Any]], x: Any) -> Any:
    """Return the network's output."""
    import jax

    for weight, bias in parameters[:-1]:
        if weight.ndim == 4:
            x = jax.lax.conv_general_dilated(x, weight, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
            x = jax.nn.relu(x + bias)
            x = jax.lax.reduce_window(x, -math.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        else:
            x = jax.nn.relu(x.reshape(len(x), -1) @ weight + bias)
    weight, bias = parameters[-1]
    return x @ weight + bias


def build(workload: Workload) -> Task:
    """Return the task of a workload."""
    return _training(workload) if workload.trains else _inference(workload)


def _training(workload: Workload) -> Task:
    import jax
    import jax.numpy as jnp
    import optax

    ready: Any = jax.block_until_ready
    optimizer = optax.adam(workload.lr)
    inputs, targets = (jnp.asarray(array) for array in workload.data())
    if workload.image is not None:
        inputs = inputs.transpose(0, 2, 3, 1)
    state: list[Any] = []

    def reset() -> None:
        parameters = first_parameters(workload)
        state[:] = [parameters, optimizer.init(parameters)]

    def loss_of(parameters: Any, x: Any, y: Any) -> Any:
        output = forward(parameters, x)
        if workload.loss == "cross_entropy":
            return optax.softmax_cross_entropy_with_integer_labels(output, y).mean()
        return ((output - y) ** 2).mean()

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
    import jax.numpy as jnp

    config: Any = jax.config
    config.update("jax_cpu_enable_async_dispatch", False)
    parameters, x = first_parameters(workload), jnp.asarray(workload.data()[0])

    def start() -> Step:
        # Weights as constants of the program: faster than as arguments.
        predict = jax.jit(lambda x: forward(parameters, x))
        return lambda: predict(x).block_until_ready()

    return Task(start)


CONTENDER = Contender("JAX jit", ("jax", "optax"), build)
