"""Examples that need an optional package are collected where it is installed."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("onnx") else ["src/lamina/exchange", "docs/reference/exchange.md", "docs/exchange.md"]
