"""A chaotic series, forecast twelve steps ahead by an LSTM that sees thirty values; linear regression is the bar."""

import numpy as np

import lamina as la
from lamina import nn, optim

SEEN, AHEAD, DELAY = 30, 12, 17


def mackey_glass(length):
    """Return the series ``x' = 0.2 x(t-17) / (1 + x(t-17)^10) - 0.1 x`` in steps of one, made by a loop with a state.

    Source: M. C. Mackey, L. Glass, "Oscillation and chaos in physiological control systems", Science 197, 1977.
    """

    def step(past, _):
        now, long_ago = past[-1], past[0]
        new = 0.9 * now + 0.2 * long_ago / (1.0 + long_ago**10)
        return la.concat((past[1:], la.reshape(new, (1,)))), new

    _, series = la.scan(step, la.full((DELAY + 1,), 1.2), length=length)
    return series[200:]  # without the way into the attractor


class Forecaster(nn.Module):
    def __init__(self, hidden):
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def __call__(self, x):
        outputs, _ = self.lstm(x.reshape(*x.shape, 1))
        return self.head(outputs[:, -1])[:, 0]


def linear_forecast(inputs, targets, new):
    """Return what linear regression on the values seen says."""
    design = np.c_[inputs, np.ones(len(inputs))]
    weights, *_ = np.linalg.lstsq(design, targets, rcond=None)
    return np.c_[new, np.ones(len(new))] @ weights


def main():
    """Return the root mean squared errors on values that come after all that was learnt from: LSTM's and linear."""
    la.random.seed(0)
    series = mackey_glass(2400)
    windows = np.lib.stride_tricks.sliding_window_view(series.numpy(), SEEN + AHEAD)
    inputs, targets = windows[:, :SEEN].copy(), windows[:, -1].copy()
    cut = 1600
    past, future = slice(0, cut), slice(cut + SEEN + AHEAD, None)  # no window of one overlaps the other

    model = Forecaster(32)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    la.fit(model, (inputs[past], targets[past]), loss=nn.mse_loss, optimizer=optimizer, epochs=20, batch_size=32)
    forecasts = model.eval()(la.asarray(inputs[future])).numpy()

    rms = {}
    linear = linear_forecast(inputs[past], targets[past], inputs[future])
    for name, forecast in (("LSTM", forecasts), ("linear", linear)):
        rms[name] = float(np.sqrt(np.mean((forecast - targets[future]) ** 2)))
        print(f"{name:6s}  error {rms[name]:.4f}  of a spread of {targets[future].std():.4f}")
    return rms["LSTM"], rms["linear"]


if __name__ == "__main__":
    main()
