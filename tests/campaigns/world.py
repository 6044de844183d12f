"""One small thing of every kind that gan-probe reads, made by gan-probe itself: what the campaigns damage and kill."""

from __future__ import annotations

import json
import shlex
import shutil
import struct
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.campaigns.sandbox import fork

SIDE_PX = 16
TYPE = '[[type]]\nlabel = "{0}"\nshape = "{1}"\nbase = {2}\nsign = 1\nnoise = 0.03\n'
SPEC = """\
name = "{0}"
size_px = 16
per_class = {1}
seen = ["square", "circle"]
[defaults]
size = {{ low = 0.4, high = 0.7 }}
"""
SEEN = (("square", "square", 0.7), ("circle", "circle", 0.85))
CLASSES = (*SEEN, ("triangle", "triangle", 0.7), ("dark square", "square", 0.4))
TRAIN = "--network mlp --steps 6 --batch-size 4 --precision fp32 --set n_critic=1 --set n_snapshots=2"
TRAIN += " --set held_out=0.4 --device cpu"
FACTORY = """\
import torch


def patches():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 4, 4), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 1))
"""
MODULE = "world_of_campaigns"  # a name of its own, so that nothing installed has it
CANARY = "canary_of_campaigns"
EXECUTED = "EXECUTED"
COMMANDS = (
    "synth train.toml --out data",
    "synth test.toml --out test --masks",
    "synth test.toml --out test-npy --format npy",
    "synth test.toml --out test-parquet --format parquet",
    "synth test.toml --out test-tar --format tar",
    f"train data --out run --seed 3 {TRAIN} --set late_snapshots=2",
    f"train data --out runs --runs 3 --jobs 1 --seed 5 {TRAIN}",
    "score run test --out scores.parquet --device cpu",
    "score run test --out plain.parquet --no-embeddings --no-controls --device cpu",
    "score runs/run-00 test --out plain-0.parquet --no-embeddings --no-controls --device cpu",
    "score runs/run-01 test --out plain-1.parquet --no-embeddings --no-controls --device cpu",
    "score run data --out plain-data.parquet --no-embeddings --no-controls --device cpu",
    "ensemble runs/run-00 runs/run-01 runs/run-02 --data data --out ensemble --device cpu",
    f"adapt {MODULE}:patches --out adapted --image-shape 16x16x3 --weights net.safetensors",
    "adapt net.onnx --out adapted-onnx --image-shape 16x16x3",
    "adapt net.pt --out adapted-script --image-shape 16x16x3 --trust-code",
)


def make_world(world: Path) -> None:
    """Make it in an empty folder."""
    world.mkdir(exist_ok=True)
    for name, classes, n in (("train", SEEN, 16), ("test", CLASSES, 6)):
        types = "".join(TYPE.format(*row) for row in classes)
        (world / f"{name}.toml").write_text(SPEC.format(name, n) + types)
    (world / f"{MODULE}.py").write_text(FACTORY)
    (world / f"{CANARY}.py").write_text(f"open({EXECUTED!r}, 'w').close()\ndef build():\n    raise SystemExit(0)\n")
    _networks(world)
    for command in COMMANDS:
        ended = fork(shlex.split(command), world, seconds=300, learns=True)
        assert ended.code in (0, 5), f"{command}: {ended.code}\n{ended.stdout}\n{ended.stderr}"
    shutil.rmtree(world / "tmp")
    _tables(world)
    _pictures(world)
    _unfinished(world)


def _networks(world: Path) -> None:
    import onnx
    import torch
    from onnx import helper, numpy_helper
    from safetensors.torch import save_file

    scope: dict[str, object] = {}
    exec(FACTORY, scope)
    module = scope["patches"]()  # type: ignore[operator]
    save_file(module.state_dict(), world / "net.safetensors")
    torch.save({"netD": module.state_dict()}, world / "weights.pt")
    torch.jit.trace(module.eval(), torch.zeros(2, 3, SIDE_PX, SIDE_PX)).save(str(world / "net.pt"))
    weights = {name.replace(".", "_"): value.numpy() for name, value in module.state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["x", "0_weight", "0_bias"], ["a"], strides=[4, 4]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "3_weight", "3_bias"], ["y"], transB=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "patches",
        [helper.make_tensor_value_info("x", kind, ["n", 3, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("y", kind, ["n", 1])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, world / "net.onnx")


def _tables(world: Path) -> None:
    import pandas as pd

    images = np.load(world / "test-npy" / "images.npy")
    table = pd.read_parquet(next((world / "test-npy").glob("metadata.*")))
    np.save(world / "images.npy", images)
    np.savez(world / "images.npz", x=images, y=np.unique(table["label"].astype(str), return_inverse=True)[1])
    for suffix in ("csv", "jsonl"):
        folder = world / f"with-{suffix}"
        folder.mkdir()
        rows = []
        for number, (image, label) in enumerate(zip(images, table["label"].astype(str), strict=True)):
            from PIL import Image

            Image.fromarray(image).save(folder / f"{number:02d}.png")
            rows.append({"file_name": f"{number:02d}.png", "label": label, "split": "train" if number % 2 else "test"})
        if suffix == "csv":
            pd.DataFrame(rows).to_csv(folder / "metadata.csv", index=False)
        else:
            (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def _pictures(world: Path) -> None:
    """Write class folders of pictures for each format that is read."""
    from gan_probe.images.readers.formats import FORMATS

    images = np.load(world / "images.npy")
    for kind in FORMATS:
        for number, image in enumerate(images):
            path = world / f"pictures-{kind.name.lower()}" / f"class {number % 3}" / f"{number:02d}{kind.suffixes[0]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_encoded(image, kind.name))


def _encoded(image: npt.NDArray[np.uint8], kind: str) -> bytes:
    from PIL import Image

    if kind == "QOI":  # every pixel as it is: Pillow reads this format and may not write it
        pixels = b"".join(b"\xfe" + bytes(pixel) for pixel in image.reshape(-1, 3))
        return struct.pack(">4sIIBB", b"qoif", image.shape[1], image.shape[0], 3, 0) + pixels + bytes(7) + b"\x01"
    picture, file = Image.fromarray(image), BytesIO()
    picture = picture.convert("L") if kind == "GIF" else picture
    picture.save(file, format=kind, **({"lossless": True} if kind == "WEBP" else {}))
    return file.getvalue()


def _unfinished(world: Path) -> None:
    """Make a run that was cut off after its second checkpoint, which ``train --resume`` finishes."""
    import os
    import signal

    def before() -> None:
        from gan_probe.training.runs.folder import RunFolder

        write, n = RunFolder.write_checkpoint, 0

        def then_die(run: RunFolder, state: object) -> None:
            nonlocal n
            write(run, state)  # type: ignore[arg-type]
            n += 1
            if n == 2:
                os.kill(os.getpid(), signal.SIGKILL)

        RunFolder.write_checkpoint = then_die  # type: ignore[method-assign,assignment]

    command = f"train data --out unfinished --seed 4 {TRAIN} --set late_snapshots=3"
    ended = fork(shlex.split(command), world, before=before)
    assert ended.code == -signal.SIGKILL, ended
    (world / ".unfinished.gan-probe-lock").unlink()
    shutil.rmtree(world / "tmp")
