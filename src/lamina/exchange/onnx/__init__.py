"""ONNX: models out, by tracing their forward pass, and in, as modules that can be trained on.

Format: https://onnx.ai/onnx/repo-docs/IR.html
"""
