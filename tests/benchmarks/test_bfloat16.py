"""Training with products of bfloat16 goes as with those of float32."""

from dataclasses import replace

import numpy as np
import pytest

import lamina as la
from benchmarks.architectures import FeedForward
from benchmarks.contenders.lamina_eager import Parts
from benchmarks.workloads import WORKLOADS, Precision, Workload

STEPS = 200
WIDE = WORKLOADS["wide"]
SMALL = replace(WIDE, name="narrow", architecture=FeedForward((64, 256, 256, 10)), batch=128, lr=1e-3)


def curve(workload: Workload, precision: Precision) -> np.ndarray:
    parts = Parts.of(replace(workload, precision=precision))
    step = la.compile(parts.train)
    return np.array([float(step(parts.inputs, parts.targets)) for _ in range(STEPS)])


@pytest.mark.parametrize("workload", [SMALL, pytest.param(WIDE, marks=pytest.mark.slow)], ids=lambda each: each.name)
def test_the_loss_stays_within_one_percent_of_float32_over_200_steps(workload: Workload) -> None:
    full, coarse = curve(workload, "float32"), curve(workload, "bfloat16")
    assert full[-1] < 0.01 * full[0]
    assert (full != coarse).any()
    np.testing.assert_allclose(coarse, full, rtol=0.01)
