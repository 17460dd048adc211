"""PyTorch, eager, with its fused Adam."""

from __future__ import annotations

from functools import partial

from benchmarks.contender import Contender
from benchmarks.contenders import torch_eager

CONTENDER = Contender("PyTorch fused", ("torch",), partial(torch_eager.build, fused=True), infers=False)
