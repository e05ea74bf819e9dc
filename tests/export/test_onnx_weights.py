"""Weights in few bits are compared with the formula of their scales, and what ONNX Runtime computes with them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from danlu.export.onnx_weights import quantised, shrink_products, shrink_tables

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def unpacked(numbers: np.ndarray, scales: np.ndarray, bits: int) -> np.ndarray:
    """The matrix of which these are the packed numbers and the scales, by their definition."""
    if bits == 4:
        numbers = np.stack([numbers & 15, numbers >> 4], -1).reshape(*numbers.shape[:-1], -1)
    values = (numbers.astype(np.float32) - 2 ** (bits - 1)) * scales[..., None]
    return values.reshape(len(values), -1)


@given(
    arrays.arrays(np.float32, (3, 64), elements=st.floats(-100, 100, width=32, allow_subnormal=False)),
    st.sampled_from([4, 8]),
)
def test_no_weight_is_further_from_itself_than_half_a_step(weight: np.ndarray, bits: int) -> None:
    numbers, scales = quantised(weight, bits, 32)
    assert numbers.nbytes == weight.size * bits // 8
    apart = np.abs(unpacked(numbers, scales, bits) - weight).reshape(3, 2, 32)
    assert (apart <= scales[..., None] * 0.5001 + 1e-6).all()


def model_of(nodes: list, initializers: dict[str, np.ndarray], inputs: list, width: int) -> "onnx.ModelProto":
    graph = onnx.helper.make_graph(
        nodes,
        "tried",
        inputs,
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["rows", width])],
        [onnx.numpy_helper.from_array(value, name) for name, value in initializers.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=10)


def run(model: "onnx.ModelProto", **feed: np.ndarray) -> np.ndarray:
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], feed)[0]


@pytest.mark.parametrize("bits", [8, 4])
def test_a_product_is_that_with_the_weights_of_few_bits(bits: int) -> None:
    rng = np.random.default_rng(0)
    weight_KN, x = rng.normal(size=(64, 48)).astype(np.float32), rng.normal(size=(5, 64)).astype(np.float32)
    given_x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["rows", 64])
    model = model_of([onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": weight_KN}, [given_x], 48)
    assert shrink_products(model, bits) == 1
    assert [each.name for each in model.graph.initializer] == [f"w.{bits}bits", f"w.{bits}bits.scales"]
    few_NK = unpacked(*quantised(np.ascontiguousarray(weight_KN.T), bits, 64), bits)
    rounded_B1 = np.abs(x).max(1, keepdims=True) / 127 * 0.5001  # what goes in has 8 bits inside a product
    assert (np.abs(run(model, x=x) - x @ few_NK.T) <= rounded_B1 * np.abs(few_NK).sum(1) + 1e-3).all()


def test_rows_of_a_table_are_looked_up_within_half_a_step() -> None:
    rng = np.random.default_rng(0)
    table_VD = (rng.normal(size=(100, 16)) * rng.uniform(0.01, 10, (100, 1))).astype(np.float32)
    given_ids = onnx.helper.make_tensor_value_info("ids", onnx.TensorProto.INT64, ["rows"])
    model = model_of([onnx.helper.make_node("Gather", ["t", "ids"], ["y"])], {"t": table_VD}, [given_ids], 16)
    assert shrink_tables(model) == 1
    ids = np.arange(100)
    assert (np.abs(run(model, ids=ids) - table_VD) <= np.abs(table_VD).max(1, keepdims=True) / 127 * 0.5001).all()
