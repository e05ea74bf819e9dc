"""Weights of an ONNX graph in 8 or 4 bits, in blocks with a scale each; what goes between products stays float32.

Products become the operation MatMulNBits of ONNX Runtime, which rounds what goes into them to 8 bits, a scale a
block; tables of embeddings have a scale for each row, by which the rows that are looked up are multiplied, in plain
operations.

Legend: K inputs, N outputs, J blocks, S values of a block, V rows of a table, D width.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

SMALLEST = 2**10
"""Values of a matrix: smaller ones are not worth a scale."""

TINY = 1e-30
"""Blocks without a larger value are 0: their scale would be none that float32 holds."""

BLOCKS = (128, 64, 32, 16)
"""Values that share a scale, the first that divides a row of the matrix."""

INSIDE = 4
"""The accuracy level of MatMulNBits at which products are summed of 8 bits. In float32 weights of 8 bits are written
out for each product: of one row of 768 by 768 that takes 875 instead of 27 us, of 4 bits 72 instead of 42, and the
largest error is 0.6 and 9.8 instead of 1.0 and 10.0 % (ONNX Runtime 1.32, 2 cores with AVX2, 2026-11)."""

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def quantised(weight_NK: Floats, bits: int, block: int) -> tuple[Bytes, Floats]:
    """Rows of a matrix in blocks of `block` values: packed numbers (N, J, S * bits / 8), and scales (N, J).

    A number is round(value / scale) + 2^(bits - 1); two of 4 bits share a byte, the first in the lower half.
    """
    half = 2 ** (bits - 1)
    blocks_NJS = weight_NK.reshape(len(weight_NK), -1, block)
    most_NJ = np.abs(blocks_NJS).max(-1)
    scales_NJ = np.where(most_NJ > TINY, most_NJ / (half - 1), 1).astype(np.float32)
    numbers_NJS = np.clip(np.rint(blocks_NJS / scales_NJ[..., None]) + half, 0, 2 * half - 1).astype(np.uint8)
    if bits == 4:
        numbers_NJS = numbers_NJS[..., ::2] | (numbers_NJS[..., 1::2] << 4)
    return numbers_NJS, scales_NJ


def block_of(size: int) -> int | None:
    """How many values of a row of so many share a scale; None where no block divides it."""
    return next((block for block in BLOCKS if size % block == 0), None)


def shrink_products(model: Any, bits: int) -> int:
    """Let products with matrices that are known compute with these in so many bits; how many were changed."""
    from onnx import helper, numpy_helper

    graph, changed = model.graph, 0
    known = {each.name: each for each in graph.initializer}
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in known:
            continue
        weight_KN = numpy_helper.to_array(known[node.input[1]])
        block = block_of(weight_KN.shape[0]) if weight_KN.ndim == 2 else None
        if block is None or weight_KN.size < SMALLEST:
            continue
        numbers, scales = quantised(np.ascontiguousarray(weight_KN.T, np.float32), bits, block)
        name = f"{node.input[1]}.{bits}bits"
        if name not in known:
            parts = [numpy_helper.from_array(numbers, name), numpy_helper.from_array(scales.ravel(), f"{name}.scales")]
            graph.initializer.extend(parts)
            known |= {part.name: part for part in parts}
        sizes = {"K": weight_KN.shape[0], "N": weight_KN.shape[1], "bits": bits, "block_size": block}
        sizes["accuracy_level"] = INSIDE
        node.op_type, node.domain = "MatMulNBits", "com.microsoft"
        inputs = [node.input[0], name, f"{name}.scales"]
        del node.input[:]
        node.input.extend(inputs)
        node.attribute.extend([helper.make_attribute(key, value) for key, value in sizes.items()])
        changed += 1
    if changed and all(each.domain != "com.microsoft" for each in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    let_go(model)
    return changed


def shrink_tables(model: Any) -> int:
    """Let tables in which rows are looked up hold 8 bits a value and a scale a row; how many were changed."""
    from onnx import TensorProto, helper, numpy_helper

    graph, changed = model.graph, 0
    known = {each.name: each for each in graph.initializer}
    nodes = []
    for node in graph.node:
        table = known.get(node.input[0]) if node.op_type == "Gather" else None
        axis = next((each.i for each in node.attribute if each.name == "axis"), 0)
        nodes.append(node)
        if table is None or axis != 0 or table.data_type != TensorProto.FLOAT or len(table.dims) != 2:
            continue
        values_VD = numpy_helper.to_array(table)
        if values_VD.size < SMALLEST:
            continue
        name = f"{node.input[0]}.8bits"
        if name not in known:
            most_V1 = np.abs(values_VD).max(1, keepdims=True)
            scales_V1 = np.where(most_V1 > TINY, most_V1 / 127, 1).astype(np.float32)
            numbers_VD = np.rint(values_VD / scales_V1).astype(np.int8)
            parts = [numpy_helper.from_array(numbers_VD, name), numpy_helper.from_array(scales_V1, f"{name}.scales")]
            graph.initializer.extend(parts)
            known |= {part.name: part for part in parts}
        rows, floats, scales = (f"{node.output[0]}.{part}" for part in ("rows", "floats", "scales"))
        nodes += [
            helper.make_node("Gather", [f"{name}.scales", node.input[1]], [scales], axis=0),
            helper.make_node("Cast", [rows], [floats], to=TensorProto.FLOAT),
            helper.make_node("Mul", [floats, scales], [node.output[0]]),
        ]
        node.input[0], node.output[0] = name, rows
        changed += 1
    del graph.node[:]
    graph.node.extend(nodes)
    let_go(model)
    return changed


def let_go(model: Any) -> None:
    """Remove the tensors that nothing reads any more."""
    read = {name for node in model.graph.node for name in node.input} | {each.name for each in model.graph.output}
    kept = [each for each in model.graph.initializer if each.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
