"""ONNX files: read whole, with the weights that lie in files beside them, and looked through.

Exporters put large weights into files of their own, named relative to the graph's. Here they are taken in when the
graph is read: what a critic holds, hashes and saves is one file that needs no other, wherever it is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from gan_probe.critics.boundary import foreign_code
from gan_probe.errors import InputError, MissingError
from gan_probe.records import regular

# Operators whose outputs are worth looking at, and what quantisation makes of them.
WATCHED = (
    "Conv", "Gemm", "MatMul", "QLinearConv", "QLinearMatMul", "QGemm", "ConvInteger", "MatMulInteger",
)  # fmt: skip
# Operators that only move numbers, and those behind which a probability is still a probability.
MOVING = ("Identity", "Cast", "Dropout", "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose")
KEEPING = (*MOVING, "ReduceMean", "AveragePool", "GlobalAveragePool")
MAX_BYTES = 2**31 - 1  # of one protobuf message, and so of a graph with its weights


def import_onnx() -> tuple[Any, Any]:
    """Return the packages onnx and onnxruntime.

    Raises
    ------
    MissingError
        Without them.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise MissingError("ONNX files need two packages: pip install 'gan-probe[onnx]'.") from error
    return onnx, onnxruntime


def read_whole(path: Path) -> bytes:
    """Return an ONNX file with all of its weights: its own bytes, or a graph that has taken in what lies beside it.

    Raises
    ------
    InputError
        For what is no ONNX file, or names files that are missing, cut short, changed or outside of its folder.
    MissingError
        Without the packages that ONNX needs.
    """
    onnx, _ = import_onnx()
    content = regular(path).read_bytes()
    with foreign_code(f"{path} is not an ONNX file that onnxruntime can run"):
        model = onnx.load_model_from_string(content)
        outside = list(external_tensors(model))
        if not outside:
            return content
        _check_size(path, outside)
        for tensor in outside:
            _check_file(path, tensor)
            onnx.external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        return model.SerializeToString(deterministic=True)


def external_tensors(message: Any) -> Iterator[Any]:
    """Yield every tensor below a protobuf message whose values lie in another file, however deep."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in [value] if hasattr(value, "ListFields") else value:
            if part.DESCRIPTOR.name == "TensorProto" and part.data_location == part.EXTERNAL:
                yield part
            yield from external_tensors(part)


def _entries(tensor: Any) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _check_size(path: Path, outside: list[Any]) -> None:
    """Raise where the weights are more than one graph can hold, before any is read."""
    total = sum(int(_entries(tensor).get("length", 0)) for tensor in outside)
    if total > MAX_BYTES:
        raise InputError(
            f"{path} has {total / 2**30:.1f} GiB of weights in files beside it; a critic folder keeps an ONNX graph in"
            " one message of at most 2 GiB. Export it with fewer bits a weight."
        )


def _check_file(path: Path, tensor: Any) -> None:
    """Raise unless a tensor's values lie in a file of the graph's own folder or below, whole and unchanged."""
    entries = _entries(tensor)
    location = entries.get("location", "")
    named = f"{path} keeps the weights {tensor.name!r} in {location!r}"
    place = PurePosixPath(location)
    if not location or place.is_absolute() or ".." in place.parts:
        raise InputError(f"{named}; only files in its own folder are read. Export it anew.")
    file = path.parent / place
    if not file.is_file():
        raise InputError(
            f"{named}, and there is no file {file}. Keep both together, or export with external_data=False."
        )
    if not file.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(f"{named}, a link out of its folder. Put the file itself there.")
    offset, length = int(entries.get("offset", 0)), int(entries.get("length", 0))
    if file.stat().st_size < offset + length:
        raise InputError(f"{named}, and that file is cut short: {file.stat().st_size} bytes, {offset + length} needed.")
    if "checksum" in entries and hashlib.sha1(file.read_bytes()).hexdigest() != entries["checksum"].lower():  # noqa: S324
        raise InputError(f"{named}, and that file was changed: it has not the checksum that the graph names.")


def made_by_sigmoid(graph: Any) -> set[str]:
    """Return the outputs of a graph that come out of a sigmoid; the one output of a graph has the name "".

    Operators that only move or average numbers are looked through.
    """
    found = {output.name for output in graph.output if _down_to_sigmoid(graph, output.name)}
    return found if len(graph.output) > 1 else {"" for _ in found}


def take_out_sigmoids(graph: Any) -> set[str]:
    """Take the last sigmoid of each output out of a graph, where it can be put back behind; return these outputs.

    A probability is 1 from a logit of 17 on, and images above it tie. It can be put back where numbers are only moved
    between it and the output, and nothing else takes them.
    """
    taken = [name for node in graph.node for name in node.input] + [output.name for output in graph.output]
    if any(attribute.HasField("g") for node in graph.node for attribute in node.attribute):
        return set()  # what branches take is not among the inputs of their nodes
    found = set()
    for output in graph.output:
        nodes = _down_to_sigmoid(graph, output.name)
        only_moved = all(node.op_type in MOVING for node in nodes[:-1])
        if nodes and only_moved and all(taken.count(node.output[0]) == 1 for node in nodes):
            nodes[-1].op_type = "Identity"
            found.add(output.name)
    return found


def _down_to_sigmoid(graph: Any, name: str) -> list[Any]:
    """Return the nodes from the one that makes an output down to a sigmoid, or nothing where there is none."""
    made_by = {made: node for node in graph.node for made in node.output}
    nodes = []
    while name in made_by and made_by[name].op_type in KEEPING:
        nodes.append(made_by[name])
        name = made_by[name].input[0]
    return [*nodes, made_by[name]] if name in made_by and made_by[name].op_type == "Sigmoid" else []
