"""Discriminators in files that carry their own graph: ONNX, and TorchScript.

The file's bytes are the module's only state. So such a critic is saved, hashed and pickled like any other, and its
weights are not torch parameters: they can neither be fine-tuned nor drawn anew.
"""

from __future__ import annotations

import inspect
import io
import pickletools
import zipfile
import zlib
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_probe.critics.boundary import foreign_code
from gan_probe.critics.onnx_file import (
    WATCHED,
    external_tensors,
    import_onnx,
    made_by_sigmoid,
    read_whole,
    take_out_sigmoids,
)
from gan_probe.errors import InputError
from gan_probe.records import regular

# What onnxruntime calls the types in which a graph may take its images, and its labels.
FLOATS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
INTEGERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32}
HOW_TO = "Export it to ONNX (torch.onnx.export), or give a factory and a state dict saved as .safetensors."


class Tap(nn.Identity):
    """A place in an ONNX graph, so that forward hooks can look at it."""


class StoredModule(nn.Module):
    """A module whose state is the bytes of a file."""

    sigmoids: Set[str] = frozenset()  # outputs that come out of one, by name; "" where there is one output

    def __init__(self) -> None:
        super().__init__()
        self.content = torch.empty(0, dtype=torch.uint8)

    def get_extra_state(self) -> Tensor:
        """Return the file's bytes."""
        return self.content

    def set_extra_state(self, state: Tensor) -> None:
        """Take the bytes of a file and make it ready to run."""
        self.content = state.cpu()
        self.open(state.cpu().numpy().tobytes())

    def open(self, content: bytes) -> None:
        """Make the file ready to run."""
        raise NotImplementedError

    @property
    def label_parameter(self) -> inspect.Parameter | None:
        """What labels are given to, beside the images; None where images are all that it takes, or nothing is open."""
        raise NotImplementedError


def _module_names(outputs: Sequence[str]) -> dict[str, str]:
    """Return a graph's outputs by names that modules can have: letters, digits and _, each another, none of torch's."""
    found, taken = dict[str, str](), nn.ModuleDict()
    for output in outputs:
        name = plain = "".join(c if c.isalnum() else "_" for c in output)
        number = 1
        while name in found or hasattr(taken, name):
            number += 1
            name = f"{plain}_{number}"
        found[name] = output
    return found


class OnnxModule(StoredModule):
    """An ONNX graph, run by onnxruntime on the CPU in the precision of its input. The format holds no code.

    A graph for batches of one size is given batches of that size: the last one is filled up with copies of an image.
    """

    def __init__(self) -> None:
        super().__init__()
        self.taps = nn.ModuleDict()
        self.labels: Any = None  # the input of the graph that takes them

    def open(self, content: bytes) -> None:
        """Start a session that returns the graph's outputs and those of its convolutions and linear maps."""
        onnx, onnxruntime = import_onnx()
        with foreign_code("this is not an ONNX file that onnxruntime can run"):
            model = onnx.load_model_from_string(content)
            graph = model.graph
            _check_graph(model)
            self.logits = take_out_sigmoids(graph)
            self.sigmoids = made_by_sigmoid(graph)
            self.output_names = [output.name for output in graph.output]
            watched = [node.output[0] for node in graph.node if node.op_type in WATCHED]
            inner = [name for name in watched if name not in self.output_names]
            graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in inner)
            options = onnxruntime.SessionOptions()
            options.log_severity_level = 4  # what goes wrong is raised; onnxruntime need not write it to stderr, too
            self.session = onnxruntime.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        self.input, self.labels = _images_and_labels(self.session.get_inputs())
        self.tap_outputs = _module_names(inner)
        self.taps = nn.ModuleDict({name: Tap() for name in self.tap_outputs})

    @property
    def batch_size(self) -> int:
        """How many images the graph takes at once; 0 where it takes any number."""
        first = self.input.shape[0] if self.input.shape else 0
        return first if isinstance(first, int) else 0

    @property
    def label_parameter(self) -> inspect.Parameter | None:
        """The graph's other input."""
        if self.labels is None:
            return None
        return inspect.Parameter("labels", inspect.Parameter.POSITIONAL_OR_KEYWORD)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        """Return the graph's output for images (n, c, h, w), several by name; taps see activations on their way."""
        n, size = len(x), self.batch_size or len(x) or 1
        given = [each for each in (x, labels) if each is not None]
        filled = [torch.cat([each, each[-1:].expand(-n % size, *each.shape[1:])]) for each in given]
        names = [*self.output_names, *self.tap_outputs.values()]
        runs = [self._run(names, *batch) for batch in zip(*(each.split(size) for each in filled), strict=True)]
        values = {
            name: torch.from_numpy(np.concatenate(parts))[:n].to(x.device)
            for name, parts in zip(names, zip(*runs, strict=True), strict=True)
            if not self.batch_size or all(len(part) == size for part in parts)
        }
        for name, output in self.tap_outputs.items():
            if output in values:
                self.taps[name](values[output])
        outputs = {
            name: torch.sigmoid(values[name]) if name in self.logits else values[name]
            for name in self.output_names
            if name in values
        }
        if not outputs:
            shapes = ", ".join(str(part.shape) for part in runs[0][: len(self.output_names)])
            raise InputError(f"the ONNX graph takes {size} images at once and returns {shapes}, not a row for each.")
        return next(iter(outputs.values())) if len(self.output_names) == 1 else outputs

    def _run(self, names: list[str], batch: Tensor, labels: Tensor | None = None) -> list[np.ndarray]:
        """Return the named outputs for one batch; half floats and what is quantised as floats, a number as one row."""
        given = {self.input.name: batch.detach().cpu().float().numpy().astype(FLOATS[self.input.type])}
        if labels is not None:
            given |= self._label_input(labels)
        with foreign_code(f"the ONNX graph takes {self.input.shape}, got {tuple(batch.shape)}"):
            found = [np.asarray(value) for value in self.session.run(names, given)]
        found = [value if value.dtype in (np.float32, np.float64) else value.astype(np.float32) for value in found]
        return [value.reshape(1, 1) if not value.ndim else value for value in found]

    def _label_input(self, labels: Tensor) -> dict[str, np.ndarray]:
        """Return the input that the labels are; whole numbers are not given where floats are taken, nor floats there.

        So which form of labels is taken shows, as it does in torch.
        """
        if self.labels is None:
            raise InputError("the ONNX graph takes images alone, and labels were given. Leave out n_labels.")
        values = labels.detach().cpu().numpy()
        types = FLOATS if np.issubdtype(values.dtype, np.floating) else INTEGERS
        if self.labels.type not in types:
            raise InputError(f"the ONNX graph takes labels as {self.labels.type}, got {values.dtype}.")
        return {self.labels.name: values.astype(types[self.labels.type])}


def _images_and_labels(inputs: Sequence[Any]) -> tuple[Any, Any | None]:
    """Return the input of a graph that takes images, and the one beside it that takes labels, if there is one.

    Raises
    ------
    InputError
        Where it is not clear which takes the images: (n, c, h, w) in floats; or one takes something else.
    """
    floats = [each for each in inputs if each.type in FLOATS]
    images = floats if len(inputs) == 1 else [each for each in floats if len(each.shape) == 4]
    others = [each for each in inputs if each not in images[:1]]
    taken = ", ".join(f"{each.name!r}: {each.type} {each.shape}" for each in inputs)
    if not images or len(others) > 1 or any(each.type not in FLOATS | INTEGERS for each in others):
        raise InputError(
            f"the ONNX graph takes {taken}; images, (n, c, h, w) in one of {', '.join(FLOATS)}, and at most labels in"
            f" one of these or {', '.join(INTEGERS)} beside them can be given."
        )
    return images[0], next(iter(others), None)


def _check_graph(model: Any) -> None:
    """Raise unless a graph holds all of its weights."""
    outside = next(external_tensors(model), None)
    if outside is not None:
        raise InputError(
            f"the ONNX graph keeps the weights {outside.name!r} in another file, which is not here; adapt the graph"
            " again from the folder where both lie."
        )


# An element of each of torch's storages, as an archive names them.
BYTES = {
    "FloatStorage": 4, "DoubleStorage": 8, "HalfStorage": 2, "BFloat16Storage": 2, "LongStorage": 8, "IntStorage": 4,
    "ShortStorage": 2, "CharStorage": 1, "ByteStorage": 1, "BoolStorage": 1, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4,
}  # fmt: skip


class ScriptModule(StoredModule):
    """A TorchScript file. Its layers cannot be looked at; it is a program, so loading it asks for trust."""

    program: Sequence[Any] = ()

    def open(self, content: bytes) -> None:
        """Load the program."""
        try:
            _check_tensors(content)
            program = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
        except (RuntimeError, ValueError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"this is not a TorchScript file: {first}. {HOW_TO}") from error
        self.program = [program]  # in a list: torch would list its weights beside the file that holds them

    @property
    def label_parameter(self) -> inspect.Parameter | None:
        """The program's second argument."""
        others = self.program[0].forward.schema.arguments[2:] if self.program else ()  # after itself and the images
        if not others:
            return None
        default = others[0].default_value if others[0].has_default_value() else inspect.Parameter.empty
        return inspect.Parameter(others[0].name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)

    def forward(self, x: Tensor, labels: Tensor | None = None) -> Any:
        """Return what the program returns for images (n, c, h, w), and labels where it takes some."""
        given = () if labels is None else (labels,)
        return self.program[0].to(x.device)(x.float(), *given)


def _tensors(described: bytes) -> Iterator[tuple[str, int]]:
    """Yield name and bytes of each tensor that a pickle of an archive speaks of; it is looked through, not loaded."""
    memo: dict[Any, Any] = {}
    frame: list[Any] = []  # what stands on the stack since the last mark: a tensor's facts are a flat tuple
    for operation, value, _ in pickletools.genops(described):
        match operation.name:
            case "MARK":
                frame = []
            case "TUPLE":
                frame = [tuple(frame)]
            case "BINPUT" | "LONG_BINPUT":
                memo[value] = frame[-1] if frame else None
            case "BINGET" | "LONG_BINGET":
                frame.append(memo.get(value))
            case "BINPERSID":
                _, kind, name, _, n_elements = frame.pop()  # ("storage", "torch FloatStorage", "0", "cpu", 192)
                if (width := BYTES.get(kind.removeprefix("torch "))) is not None:
                    yield name, width * n_elements
            case _:
                frame.append(value)


def _check_tensors(content: bytes) -> None:
    """Raise unless the tensors of a TorchScript archive are as large as it says: torch reads past their ends."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        held = {info.filename: info.file_size for info in archive.infolist()}
        for path in [path for path in held if path.count("/") == 1 and path.endswith(("/data.pkl", "/constants.pkl"))]:
            try:
                tensors = list(_tensors(archive.read(path)))
            except (AttributeError, IndexError, TypeError, ValueError) as error:  # of damaged bytes, whatever they say
                raise ValueError(f"its {path} cannot be read") from error
            for name, expected in tensors:
                found = held.get(f"{path.removesuffix('.pkl')}/{name}", 0)
                if found != expected:
                    raise ValueError(f"its tensor {name} should have {expected} bytes and has {found}")


# By what a critic's config names as its factory. ONNX holds no code; TorchScript is a program, which may write files.
KINDS: dict[str, type[StoredModule]] = {"onnx": OnnxModule, "torchscript": ScriptModule}
WITHOUT_CODE = ("onnx",)
SUFFIXES = {".onnx": "onnx"} | dict.fromkeys((".pt", ".pth", ".ts", ".torchscript"), "torchscript")


def kind_of(path: str | Path) -> str:
    """Return the kind of file that a name says, a key of `KINDS`; empty for others."""
    return SUFFIXES.get(Path(path).suffix.lower(), "")


def open_file(path: str | Path) -> tuple[str, StoredModule]:
    """Return the kind of a file, a key of `KINDS`, and the module in it.

    Raises
    ------
    InputError
        For other files, with what to do; ``.pt2`` (torch.export) is refused because torch unpickles parts of it.
    MissingError
        Without the packages that ONNX needs.
    """
    path = Path(path)
    kind = kind_of(path)
    if path.suffix.lower() == ".pt2":
        raise InputError(f"{path} is a torch.export file, and torch unpickles parts of it, which runs code. {HOW_TO}")
    if not kind:
        raise InputError(f"{path} is no file of a network. Accepted: {', '.join(SUFFIXES)}. {HOW_TO}")
    try:
        content = read_whole(path) if kind == "onnx" else regular(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    if not content:
        raise InputError(f"{path} is empty. {HOW_TO}")
    module = KINDS[kind]()
    try:
        module.set_extra_state(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return kind, module
