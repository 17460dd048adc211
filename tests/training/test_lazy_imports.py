"""What training loads: nothing that the call does not need."""

import subprocess
import sys

PROGRAM = """
import sys
import lamina as la
from lamina import nn
model = nn.Linear(2, 1)
la.fit(model, ([[1.0, 2.0]], [[3.0]]), loss=nn.mse_loss, epochs=1, progress=False)
heavy = {"rich", "sklearn", "matplotlib", "safetensors", "typer", "polars", "scipy"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_training_without_progress_or_metrics_loads_nothing_heavy():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
