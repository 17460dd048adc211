"""Models in the formats of others: ONNX and safetensors."""
