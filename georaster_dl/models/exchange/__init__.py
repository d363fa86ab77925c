"""Models for other tools: ONNX, STAC items (MLM), and their checks."""
