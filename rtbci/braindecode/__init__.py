"""Models of braindecode as engines: built from a few settings, exported to ONNX, or run by torch as a plug-in."""
