"""Other libraries than PyTorch that compute a checkpoint's models: OpenVINO, and ONNX for those who bring their own."""

from .export_openvino import export_openvino
from .openvino_parts import use_openvino

__all__ = ["export_openvino", "use_openvino"]
