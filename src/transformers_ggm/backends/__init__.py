"""Other libraries than PyTorch for a checkpoint's models: OpenVINO, and ONNX for those who run them elsewhere."""

from .export_onnx import export_onnx
from .export_openvino import export_openvino
from .openvino_parts import use_openvino

__all__ = ["export_onnx", "export_openvino", "use_openvino"]
