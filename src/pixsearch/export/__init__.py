"""From a trained model to ONNX, float and int8, with proof of parity."""
