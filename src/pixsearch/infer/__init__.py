"""Run an ONNX model on pictures of any size, with ONNX Runtime alone."""
