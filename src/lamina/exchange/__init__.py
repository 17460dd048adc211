"""Models in the formats of others: ONNX, both ways.

Weights alone go to PyTorch and back as safetensors, by `lamina.save` and `lamina.load`.
"""

from lamina.exchange.onnx.columns import onnx_inputs
from lamina.exchange.onnx.export import export_onnx
from lamina.exchange.onnx.importing import import_onnx
from lamina.exchange.onnx.reading.module import OnnxModel

__all__ = ["export_onnx", "import_onnx", "onnx_inputs", "OnnxModel"]
