"""onnxruntime: a session with one matrix product and bias (Gemm) and one activation a layer."""

from __future__ import annotations

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from benchmarks.peers import Calls, Variant
from benchmarks.workloads import Weights, Workload

VERSION = f"onnxruntime {onnxruntime.__version__}"
VARIANTS = {"prediction": [Variant(f"{n} thread{'s' * (n > 1)}", options={"threads": n}) for n in (1, 2)]}

#: The operator of ONNX for each activation.
OPERATORS = {"relu": "Relu", "tanh": "Tanh", "selu": "Selu"}


def model(workload: Workload, weights: Weights) -> bytes:
    """The network as an ONNX file."""
    nodes, constants, value = [], [], "x"
    for index, layer in enumerate(weights):
        names = [f"weight{index}", f"bias{index}"]
        constants += [numpy_helper.from_array(array, name) for array, name in zip(layer, names, strict=True)]
        last = index + 1 == len(weights)
        nodes.append(helper.make_node("Gemm", [value, *names], ["y" if last else f"z{index}"]))
        if not last:
            value = f"h{index}"
            nodes.append(helper.make_node(OPERATORS[workload.activation], [f"z{index}"], [value]))
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", size])]
        for name, size in (("x", workload.sizes[0]), ("y", workload.sizes[-1]))
    ]
    graph = helper.make_graph(nodes, "network", *ends, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def prediction(workload: Workload, weights: Weights, x: np.ndarray, threads: int = 1) -> Calls:
    """A run of the session."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model(workload, weights), options, providers=["CPUExecutionProvider"])
    return Calls(lambda: session.run(None, {"x": x})[0], lambda y: [y])
