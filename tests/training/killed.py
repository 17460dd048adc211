"""A training in a process of its own, that may be killed: `python killed.py FOLDER RESULT COMPILE`.

It goes on from what is in FOLDER, and writes the weights and the history to RESULT when it has come to its end.
"""

import sys

import numpy as np

import lamina as la
from lamina import nn, optim
from lamina.training import Checkpoints, bulk, fit


def main(folder, result, compiled):
    # Short calls, so that there are many moments at which to be killed.
    bulk.CALL_SECONDS = 1e-4
    generator = np.random.default_rng(0)
    X = generator.normal(size=(300, 6)).astype(np.float32)
    Y = generator.integers(0, 3, 300)
    with la.random.use_generator(la.random.Generator(1)):
        model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
    adam = optim.AdamW(model.parameters(), lr=0.01)
    history = fit(
        model, (X, Y), loss=nn.cross_entropy, optimizer=adam, epochs=60 if compiled else 12, batch_size=16,
        validation=0.2, seed=2, ema=0.95, early_stopping=50, clip_norm=5.0,
        scheduler=optim.CosineAnnealingLR(adam, T_max=60), progress=False, compile=compiled,
        checkpoint=Checkpoints(folder, every_seconds=0.005, keep=2), resume=True,
    )  # fmt: skip
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    state |= {name: np.asarray(history[name]) for name in history if name != "seconds"}
    with open(result, "wb") as file:
        np.savez(file, **state)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3] == "True")
