"""The reference model server: one ONNX file, answered by the Open Inference Protocol v2.

Run as `python3 -m tidegate_serving`; knows nothing of Tidegate, so any container like it will do.
"""
