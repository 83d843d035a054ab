"""Artefacts for devices: TFLite, C, ONNX and the bundle around them."""
