"""Discriminators in files that carry their own graph: ONNX, and TorchScript.

The file's bytes are the module's only state. So such a critic is saved, hashed and pickled like any other, and its
weights are not torch parameters: they can neither be fine-tuned nor drawn anew.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gan_probe.errors import InputError, MissingError

WATCHED = ("Conv", "Gemm", "MatMul")  # ONNX operators whose outputs are worth looking at
HOW_TO = "Export it to ONNX (torch.onnx.export), or give a factory and a state dict saved as .safetensors."


class Tap(nn.Identity):
    """A place in an ONNX graph, so that forward hooks can look at it."""


class StoredModule(nn.Module):
    """A module whose state is the bytes of a file."""

    is_sigmoid = False  # whether the graph ends in one

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


class OnnxModule(StoredModule):
    """An ONNX file, run by onnxruntime on the CPU in float32. The format holds no code."""

    def __init__(self) -> None:
        super().__init__()
        self.taps = nn.ModuleDict()

    def open(self, content: bytes) -> None:
        """Start a session that returns the graph's outputs and those of its convolutions and linear maps."""
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise MissingError("ONNX files need two packages: pip install 'gan-probe[onnx]'.") from error
        try:
            model = onnx.load_model_from_string(content)
            self.output_names = [output.name for output in model.graph.output]
            inputs = {i.name: i for i in model.graph.input}.keys() - {i.name for i in model.graph.initializer}
            if len(inputs) != 1:
                raise InputError(f"the ONNX graph has {len(inputs)} inputs; one, the images, is needed.")
            found = {}
            for node in model.graph.node:
                if node.op_type in WATCHED and node.output[0] not in self.output_names:
                    found["".join(c if c.isalnum() else "_" for c in node.output[0])] = node.output[0]
            self.is_sigmoid = any(
                node.op_type == "Sigmoid" and node.output[0] == self.output_names[0] for node in model.graph.node
            )
            for name in found.values():
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
            self.session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            self.input = self.session.get_inputs()[0]
        except Exception as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"this is not an ONNX file that onnxruntime can run: {error}.") from error
        self.tap_outputs = found
        self.taps = nn.ModuleDict({name: Tap() for name in found})

    def forward(self, x: Tensor) -> Any:
        """Return the graph's outputs for images (n, c, h, w); the taps see the activations on their way."""
        one_by_one = self.input.shape[0] == 1
        batches = x.split(1) if one_by_one else [x]
        names = [*self.output_names, *self.tap_outputs.values()]
        runs = [self._run(names, batch) for batch in batches]
        values = [torch.from_numpy(np.concatenate(parts)).to(x.device) for parts in zip(*runs, strict=True)]
        for name, value in zip(self.tap_outputs, values[len(self.output_names) :], strict=True):
            self.taps[name](value)
        outputs = values[: len(self.output_names)]
        return outputs[0] if len(outputs) == 1 else tuple(outputs)

    def _run(self, names: list[str], batch: Tensor) -> list[np.ndarray]:
        try:
            found = self.session.run(names, {self.input.name: batch.detach().cpu().float().numpy()})
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise InputError(f"the ONNX graph takes {self.input.shape}, got {tuple(batch.shape)}: {error}.") from error
        return [np.asarray(value).reshape(len(batch), -1) if np.ndim(value) == 0 else value for value in found]


class ScriptModule(StoredModule):
    """A TorchScript file. Its layers cannot be looked at; it is a program, so loading it asks for trust."""

    def open(self, content: bytes) -> None:
        """Load the program."""
        try:
            program = torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
        except (RuntimeError, ValueError) as error:
            first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise InputError(f"this is not a TorchScript file: {first}. {HOW_TO}") from error
        leaves = [m for m in program.modules() if not list(m.children())]
        self.is_sigmoid = bool(leaves) and getattr(leaves[-1], "original_name", "") == "Sigmoid"
        self.program = [program]  # in a list: torch would list its weights beside the file that holds them

    def forward(self, x: Tensor) -> Any:
        """Return what the program returns for images (n, c, h, w)."""
        return self.program[0].to(x.device)(x.float())


# By what a critic's config names as its factory. ONNX holds no code; TorchScript is a program, which may write files.
KINDS: dict[str, type[StoredModule]] = {"onnx": OnnxModule, "torchscript": ScriptModule}
WITHOUT_CODE = ("onnx",)
SUFFIXES = {".onnx": "onnx"} | dict.fromkeys((".pt", ".pth", ".ts", ".torchscript"), "torchscript")


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
    if path.suffix == ".pt2":
        raise InputError(f"{path} is a torch.export file, and torch unpickles parts of it, which runs code. {HOW_TO}")
    if path.suffix not in SUFFIXES:
        raise InputError(f"{path} is no file of a network. Accepted: {', '.join(SUFFIXES)}. {HOW_TO}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    kind = SUFFIXES[path.suffix]
    module = KINDS[kind]()
    module.set_extra_state(torch.frombuffer(bytearray(content), dtype=torch.uint8))
    return kind, module
