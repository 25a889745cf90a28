"""Networks that other libraries have trained."""

from twopass.io.imports.onnx import read_onnx
from twopass.io.imports.sklearn import from_sklearn
from twopass.io.imports.weights import read_weights

__all__ = ["from_sklearn", "read_onnx", "read_weights"]
