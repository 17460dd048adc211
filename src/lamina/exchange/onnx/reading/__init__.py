"""From an ONNX file to a module: the file checked, its tensors, its nodes, and what each operator means here."""
