"""Models for other programs: ONNX and C."""

from twopass.io.exports.c import CFiles, export_c
from twopass.io.exports.onnx import export_onnx

__all__ = ["CFiles", "export_c", "export_onnx"]
