"""A small ONNX model, made for the tests: the means of a picture's three channels."""

from pathlib import Path

import pytest


def mean_model(path: Path, side: int = 32, channels_last: bool = False) -> Path:
    """Write the model of pictures of a side; its output is (1, 3): channel by channel."""
    onnx = pytest.importorskip("onnx", reason="needs onnx, which writes the model")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    shape = [1, side, side, 3] if channels_last else [1, 3, side, side]
    axes = helper.make_tensor(
        "axes", onnx.TensorProto.INT64, [2], [1, 2] if channels_last else [2, 3]
    )
    node = helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0)
    graph = helper.make_graph(
        [node],
        "means",
        [helper.make_tensor_value_info("pixels", real, shape)],
        [helper.make_tensor_value_info("means", real, [1, 3])],
        [axes],
    )
    opset = helper.make_opsetid("", 18)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), str(path))
    return path
