"""ONNX graphs as exporters write them: weights in other files, batches of one size, several outputs, half floats."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 (after the packages are known to be there)

SHAPE = (4, 4, 1)
W1, W2 = np.random.default_rng(0).normal(size=(2, 16, 1)).astype(np.float32)
IMAGES = np.random.default_rng(1).integers(0, 256, (11, 4, 4, 1), dtype=np.uint8)
PIXELS = IMAGES.reshape(11, 16).astype(np.float32) / 127.5 - 1


def outside(values: np.ndarray, file: Path, location: str, **entries: Any) -> Any:
    """Return a tensor whose values lie in a file, and write them there."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(values.tobytes())
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=values.shape, data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": 0, "length": values.nbytes, **entries}.items():
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def write(
    path: Path,
    nodes: Sequence[Any] = (),
    weights: Sequence[Any] = (),
    *,
    outputs: Mapping[str, Sequence[Any]] = {"y": ["n", 1]},
    batch: Any = "n",
    type_: int = TensorProto.FLOAT,
) -> Path:
    """Write a graph of some nodes, which may begin with the images flattened, ``f``."""
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["f"]), *(nodes or [helper.make_node("MatMul", ["f", "w"], ["y"])])],
        "g",
        [helper.make_tensor_value_info("x", type_, [batch, 1, 4, 4])],
        [helper.make_tensor_value_info(name, type_, shape) for name, shape in outputs.items()],
        list(weights),
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def inside(values: np.ndarray = W1, name: str = "w") -> Any:
    return numpy_helper.from_array(values, name)


@pytest.mark.parametrize("location", ["w.bin", "sub/w.bin", "./w.bin", "a name.data"])
def test_weights_beside_a_graph_are_taken_in_from_wherever_it_is_read(
    location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    path = write(folder / "m.onnx", weights=[outside(W1, folder / location, location)])
    (tmp_path / "w.bin").write_bytes(W2.tobytes())  # what onnxruntime would find in the current folder
    monkeypatch.chdir(tmp_path)
    for name in (path, Path("models/m.onnx")):
        critic = Critic.from_file(name, SHAPE)
        assert np.allclose(critic.score(IMAGES), (PIXELS @ W1).ravel(), atol=1e-5)
    critic.save(tmp_path / "critic")
    (folder / location).unlink()
    monkeypatch.chdir("/")
    again = Critic.load(tmp_path / "critic")
    assert again.hash == critic.hash
    assert np.array_equal(again.score(IMAGES), critic.score(IMAGES))


def test_the_hash_follows_from_weights_that_lie_beside_the_graph(tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    path = write(tmp_path / "m.onnx", weights=[outside(W1, file, "w.bin")])
    hashes = []
    for values in (W1, W2, W1):
        file.write_bytes(values.tobytes())
        hashes.append(Critic.from_file(path, SHAPE).hash)
    assert hashes[0] == hashes[2] != hashes[1]


def test_a_graph_that_holds_its_weights_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = write(tmp_path / "m.ONNX", weights=[inside()])
    Critic.from_file(path, SHAPE).save(tmp_path / "critic")
    (content,) = load_file(tmp_path / "critic" / "critic.safetensors").values()
    assert content.numpy().tobytes() == path.read_bytes()


def test_weights_outside_are_found_in_constants_and_in_branches(tmp_path: Path) -> None:
    def constant(values: np.ndarray, name: str) -> Any:
        value = outside(values, tmp_path / f"{name}.bin", f"{name}.bin")
        return helper.make_node("Constant", [], [name], value=value)

    def branch(values: np.ndarray, name: str) -> Any:
        nodes = [constant(values, name), helper.make_node("MatMul", ["f", name], [f"{name}_y"])]
        return helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(f"{name}_y", 1, ["n", 1])])

    nodes = [
        helper.make_node("If", ["yes"], ["a"], then_branch=branch(W1, "t"), else_branch=branch(W2, "e")),
        constant(W2, "c"),
        helper.make_node("MatMul", ["f", "c"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    path = write(tmp_path / "m.onnx", nodes, [numpy_helper.from_array(np.array(True), "yes")])
    Critic.from_file(path, SHAPE).save(tmp_path / "critic")
    for file in tmp_path.glob("*.bin"):
        file.unlink()
    assert np.allclose(Critic.load(tmp_path / "critic").score(IMAGES), (PIXELS @ (W1 + W2)).ravel(), atol=1e-5)


def test_weights_outside_that_cannot_be_trusted_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "models"
    secret = tmp_path / "secret.bin"
    secret.write_bytes(W1.tobytes())
    folder.mkdir()
    (folder / "link.bin").symlink_to(secret)
    (folder / "short.bin").write_bytes(W1.tobytes()[:-1])
    os.mkfifo(folder / "pipe.bin")
    cases = [
        ("../secret.bin", {}, "only files in its own folder are read"),
        ("a/../../secret.bin", {}, "only files in its own folder are read"),
        (str(secret), {}, "only files in its own folder are read"),
        ("", {}, "only files in its own folder are read"),
        ("link.bin", {}, "a link out of its folder. Put the file itself there"),
        ("short.bin", {}, "is cut short: 63 bytes, 64 needed"),
        ("pipe.bin", {}, "there is no file .*pipe.bin. Keep both together"),
        ("none.bin", {}, "there is no file .*none.bin. Keep both together"),
        ("w.bin", {"checksum": "0" * 40}, "was changed: it has not the checksum that the graph names"),
        ("w.bin", {"length": 3 * 2**30}, "3.0 GiB of weights .* at most 2 GiB"),
        ("w.bin", {"length": 60}, "not an ONNX file that onnxruntime can run"),
        ("w.bin", {"offset": "many"}, "not an ONNX file that onnxruntime can run"),
        ("w.bin", {"offset": -8}, "not an ONNX file that onnxruntime can run"),
    ]
    for location, entries, message in cases:
        tensor = outside(W1, folder / "w.bin", location, **entries)
        with pytest.raises(InputError, match=message):
            Critic.from_file(write(folder / "m.onnx", weights=[tensor]), SHAPE)


def test_a_saved_graph_whose_weights_were_changed_is_refused(tmp_path: Path) -> None:
    Critic.from_file(write(tmp_path / "m.onnx", weights=[inside()]), SHAPE).save(tmp_path / "critic")
    file = tmp_path / "critic" / "critic.safetensors"
    content = file.read_bytes()
    place = content.index(W1.tobytes())
    file.write_bytes(content[:place] + W2.tobytes() + content[place + W1.nbytes :])
    with pytest.raises(InputError, match="was changed since it was saved"):
        Critic.load(tmp_path / "critic")


def test_a_critic_folder_whose_graph_has_lost_its_weights_is_refused(tmp_path: Path) -> None:
    from gan_probe.critics.stored import OnnxModule

    path = write(tmp_path / "m.onnx", weights=[outside(W1, tmp_path / "w.bin", "w.bin")])
    with pytest.raises(InputError, match="keeps the weights 'w' in another file, which is not here; adapt the graph"):
        OnnxModule().open(path.read_bytes())


@pytest.mark.parametrize("batch", [1, 2, 8, 16])
def test_a_graph_for_batches_of_one_size_scores_and_embeds_any_number(batch: int, tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["f", "w"], ["h"]), helper.make_node("Neg", ["h"], ["y"])]
    path = write(tmp_path / "m.onnx", nodes, [inside()], outputs={"y": [batch, 1]}, batch=batch)
    critic = Critic.from_file(path, SHAPE)
    for n in (1, 2, 7, 8, 11):
        assert np.allclose(critic.score(IMAGES[:n]), -(PIXELS[:n] @ W1).ravel(), atol=1e-5)
    assert np.allclose(critic.score(IMAGES, batch_size=3), critic.score(IMAGES))
    assert np.allclose(critic.embed(IMAGES), PIXELS @ W1, atol=1e-5)


@pytest.mark.parametrize("batch", ["n", 1, 4])
def test_of_several_outputs_those_with_a_row_for_each_image_are_returned(batch: Any, tmp_path: Path) -> None:
    wide = np.random.default_rng(2).normal(size=(16, 10)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["f", "v"], ["classes"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
        helper.make_node("ReduceMax", ["classes"], ["one"], keepdims=0),  # one number for the whole batch
    ]
    outputs = {"y": [batch, 1], "classes": [batch, 10]} | ({"one": []} if batch == 4 else {})
    path = write(tmp_path / "m.onnx", nodes, [inside(), inside(wide, "v")], outputs=outputs, batch=batch)
    assert np.allclose(Critic.from_file(path, SHAPE).score(IMAGES), (PIXELS @ W1).ravel(), atol=1e-5)


@pytest.mark.parametrize(("type_", "dtype"), [(TensorProto.FLOAT16, np.float16), (TensorProto.DOUBLE, np.float64)])
def test_graphs_in_other_types_of_float_score(type_: int, dtype: type, tmp_path: Path) -> None:
    path = write(tmp_path / "m.onnx", weights=[inside(W1.astype(dtype))], type_=type_)
    assert np.allclose(Critic.from_file(path, SHAPE).score(IMAGES), (PIXELS @ W1).ravel(), rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("behind", [[], ["Squeeze"], ["Identity", "Flatten"], ["ReduceMean"]])
def test_a_sigmoid_behind_which_numbers_only_move_is_a_probability(behind: list[str], tmp_path: Path) -> None:
    names = ["p", *(f"s{i}" for i in range(len(behind)))]
    nodes = [helper.make_node("MatMul", ["f", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    nodes += [helper.make_node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(behind)]
    if behind == ["ReduceMean"]:
        nodes[-1] = helper.make_node("ReduceMean", ["p"], [names[-1]], axes=[1], keepdims=0)
    path = write(tmp_path / "m.onnx", nodes, [inside()], outputs={names[-1]: None})
    assert Critic.from_file(path, SHAPE).config.adaptation["output"] == "probability"


@pytest.mark.parametrize("behind", [[], ["Squeeze"], ["Identity", "Flatten"]])
def test_what_went_into_the_last_sigmoid_is_the_score_where_float_probabilities_tie(
    behind: list[str], tmp_path: Path
) -> None:
    names = ["p", *(f"s{i}" for i in range(len(behind)))]
    nodes = [helper.make_node("MatMul", ["f", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])]
    nodes += [helper.make_node(op, [names[i]], [names[i + 1]]) for i, op in enumerate(behind)]
    path = write(tmp_path / "m.onnx", nodes, [inside(20 * W1)], outputs={names[-1]: None})
    critic, expected = Critic.from_file(path, SHAPE), (PIXELS @ W1).ravel() * 20
    assert np.abs(expected).max() > 60
    assert np.allclose(critic.score(IMAGES), expected, rtol=1e-5)
    critic.save(tmp_path / "c")
    assert np.array_equal(Critic.load(tmp_path / "c").score(IMAGES), critic.score(IMAGES))


def test_a_sigmoid_that_something_else_takes_stays_in_the_graph(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["f", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["y"])]
    nodes += [helper.make_node("Neg", ["y"], ["other"])]
    path = write(tmp_path / "m.onnx", nodes, [inside()], outputs={"y": ["n", 1], "other": ["n", 1]})
    critic = Critic.from_file(path, SHAPE, output="y")
    assert critic.config.adaptation["output"] == "y:probability"
    assert np.allclose(critic.score(IMAGES), (PIXELS @ W1).ravel(), atol=1e-3)
    other = Critic.from_file(path, SHAPE, output="other:score").score(IMAGES)
    assert np.allclose(other, -1 / (1 + np.exp(-(PIXELS @ W1).ravel())), atol=1e-5)


@pytest.mark.parametrize(
    ("type_", "dims", "form"),
    [
        (TensorProto.INT64, [None], "index"),
        (TensorProto.INT32, [None, 1], "index-column"),
        (TensorProto.FLOAT, [None, 3], "one-hot"),
    ],
)
@pytest.mark.parametrize("batch", ["n", 4])
def test_a_graph_that_takes_labels_scores_the_mean_over_them(
    type_: int, dims: list[Any], form: str, batch: Any, tmp_path: Path
) -> None:
    weights = np.random.default_rng(5).normal(size=(3, 16)).astype(np.float32)
    nodes = {
        "index": [helper.make_node("Gather", ["v", "label"], ["row"])],
        "index-column": [
            helper.make_node("Squeeze", ["label", "one"], ["flat"]),
            helper.make_node("Gather", ["v", "flat"], ["row"]),
        ],
        "one-hot": [helper.make_node("MatMul", ["label", "v"], ["row"])],
    }[form]
    nodes += [
        helper.make_node("Mul", ["f", "row"], ["h"]),
        helper.make_node("ReduceSum", ["h", "one"], ["y"], keepdims=1),
    ]
    path = write(tmp_path / "m.onnx", nodes, [inside(weights, "v"), inside(np.array([1]), "one")], batch=batch)
    model = onnx.load(path)
    shape = [batch, *dims[1:]]
    model.graph.input.insert(0, helper.make_tensor_value_info("label", type_, shape))  # before the images
    onnx.save(model, path)
    with pytest.raises(ConfigError, match="say how many there are with n_labels"):
        Critic.from_file(path, SHAPE)
    critic = Critic.from_file(path, SHAPE, n_labels=3, labels="auto")
    assert critic.config.adaptation.get("labels", "index") == form
    assert np.allclose(critic.score(IMAGES), PIXELS @ weights.mean(0), atol=1e-4)
    critic.save(tmp_path / "c")
    assert np.array_equal(Critic.load(tmp_path / "c").score(IMAGES), critic.score(IMAGES))


def test_a_sigmoid_of_another_output_is_not_the_score_s(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["f", "v"], ["z"]), helper.make_node("Sigmoid", ["z"], ["tags"])]
    nodes += [helper.make_node("MatMul", ["f", "w"], ["y"])]
    weights = [inside(), inside(np.ones((16, 5), np.float32), "v")]
    path = write(tmp_path / "m.onnx", nodes, weights, outputs={"tags": ["n", 5], "y": ["n", 1]})
    assert Critic.from_file(path, SHAPE).config.adaptation["output"] == "y:score"


def test_of_several_outputs_one_is_chosen_by_its_name_or_as_before_by_its_number(tmp_path: Path) -> None:
    nodes = [helper.make_node("MatMul", ["f", "v"], ["z"]), helper.make_node("Sigmoid", ["z"], ["real/fake:0"])]
    nodes += [helper.make_node("MatMul", ["f", "w"], ["aux"])]
    outputs = {"real/fake:0": ["n", 1], "aux": ["n", 1]}
    path = write(tmp_path / "m.onnx", nodes, [inside(), inside(W2, "v")], outputs=outputs)
    with pytest.raises(InputError, match=r"more than one way.*'real/fake:0' for the number of each image.*'aux' for"):
        Critic.from_file(path, SHAPE)
    with pytest.raises(ConfigError, match="unknown output 'au'.*Did you mean 'aux'"):
        Critic.from_file(path, SHAPE, output="au")
    for chosen, weights, taken in (("aux", W1, "aux:score"), ("real/fake:0", W2, "real/fake:0:probability")):
        critic = Critic.from_file(path, SHAPE, output=chosen)
        assert critic.config.adaptation["output"] == taken
        assert np.allclose(critic.score(IMAGES), (PIXELS @ weights).ravel(), atol=1e-3)
        critic.save(tmp_path / taken[:3])
        assert np.array_equal(Critic.load(tmp_path / taken[:3]).score(IMAGES), critic.score(IMAGES))
    assert np.allclose(Critic.from_file(path, SHAPE, output="1:score").score(IMAGES), (PIXELS @ W1).ravel(), atol=1e-5)


def test_quantised_layers_can_be_looked_into(tmp_path: Path) -> None:
    """A layer in whole numbers between float ones, as onnxruntime's quantisation writes it."""
    rng = np.random.default_rng(3)
    wide = rng.integers(-127, 128, (16, 8), dtype=np.int8)
    nodes = [
        helper.make_node("QuantizeLinear", ["f", "s", "zero"], ["q"]),
        helper.make_node("QLinearMatMul", ["q", "s", "zero", "v", "s", "zero", "t", "zero"], ["hidden"]),
        helper.make_node("DequantizeLinear", ["hidden", "t", "zero"], ["h"]),
        helper.make_node("MatMul", ["h", "u"], ["y"]),
    ]
    scales = [inside(np.float32(1 / 127), "s"), inside(np.float32(0.1), "t"), inside(np.int8(0), "zero")]
    last = rng.normal(size=(8, 1)).astype(np.float32)
    path = write(tmp_path / "m.onnx", nodes, [inside(wide, "v"), inside(last, "u"), *scales])
    critic = Critic.from_file(path, SHAPE)
    assert critic.config.layers == ("taps.hidden",)
    rows = critic.embed(IMAGES)
    assert rows.dtype == np.float32
    expected = (PIXELS @ (wide / 127.0)) / 0.1
    assert np.allclose(rows, expected.clip(-128, 127), atol=1.1 + 16 / 127 * 5)
    assert np.allclose(critic.score(IMAGES), (rows * 0.1 @ last).ravel(), atol=1e-4)


def test_what_is_no_graph_of_images_is_refused(tmp_path: Path) -> None:
    two = write(tmp_path / "two.onnx", weights=[inside()])
    model = onnx.load(two)
    model.graph.input.append(helper.make_tensor_value_info("z", 1, [1]))
    onnx.save(model, two)
    model.graph.input.append(helper.make_tensor_value_info("v", 1, [1]))
    onnx.save(model, tmp_path / "three.onnx")
    whole = [helper.make_node("MatMul", ["f", "w"], ["z"]), helper.make_node("ReduceMean", ["z"], ["y"], keepdims=0)]
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "empty.pt").write_bytes(b"")
    bytes_ = [helper.make_node("Cast", ["f"], ["g"], to=1), helper.make_node("MatMul", ["g", "w"], ["y"])]
    uint8 = write(tmp_path / "uint8.onnx", bytes_, [inside()], type_=TensorProto.UINT8)
    model = onnx.load(uint8)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    onnx.save(model, uint8)
    cases = [
        (two, "called with labels too; say how many there are with n_labels"),
        (tmp_path / "three.onnx", r"takes 'x': tensor\(float\) .*'v'.*at most labels"),
        (tmp_path / "empty.onnx", "empty.onnx is empty"),
        (tmp_path / "empty.pt", "empty.pt is empty"),
        (uint8, r"the ONNX graph takes 'x': tensor\(uint8\)"),
        (write(tmp_path / "mean.onnx", whole, [inside()], outputs={"y": []}, batch=4), "4 images at once and returns"),
        (write(tmp_path / "mean2.onnx", whole, [inside()], outputs={"y": []}), "for 2 images; one number for each"),
    ]
    for path, message in cases:
        with pytest.raises((InputError, ConfigError), match=message):
            Critic.from_file(path, SHAPE, trust_code=True)


def test_layers_whose_names_torch_has_or_that_differ_in_punctuation_are_all_there(tmp_path: Path) -> None:
    square = np.eye(16, dtype=np.float32)
    names = ["values", "c.1", "c_1", "y"]
    nodes = [helper.make_node("MatMul", [one, "w" if other == "y" else "v"], [other])
             for one, other in zip(["f", *names], names, strict=False)]  # fmt: skip
    path = write(tmp_path / "m.onnx", nodes, [inside(), inside(square, "v")])
    critic = Critic.from_file(path, SHAPE)
    assert [name.rpartition(".")[2] for name in critic.chosen_layers()] == ["values_2", "c_1", "c_1_2"]
    assert np.allclose(critic.score(IMAGES), (PIXELS @ W1).ravel(), atol=1e-3)
