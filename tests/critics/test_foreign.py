from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.critics.attribution import integrated_gradients
from gan_probe.critics.critic import Critic
from gan_probe.critics.features import pool, watched
from gan_probe.errors import ConfigError, InputError
from gan_probe.estimators import CriticClassifier, CriticScorer
from gan_probe.images.image_set import ImageSet
from gan_probe.images.pixels import to_network
from gan_probe.scoring.score import score
from tests import foreign

SHAPE = (32, 32, 3)
HERE = "tests.foreign"


def direct(name: str, x: torch.Tensor) -> np.ndarray:
    """What the discriminator itself says, reduced by hand to one number an image."""
    with torch.inference_mode():
        raw = foreign.seeded(name)(x)
    match name:
        case "Dcgan":
            value = torch.logit(raw).flatten()
        case "PatchGan":
            value = raw.mean((1, 2, 3))
        case "MultiScale":
            value = (raw[0].mean((1, 2, 3)) + raw[1].mean((1, 2, 3))) / 2
        case "Auxiliary":
            value = raw[0].squeeze(1)
        case _:
            value = raw
    return value.numpy()


@pytest.mark.parametrize("name", foreign.KINDS)
def test_outputs_of_every_shape_become_one_number_an_image(name: str, test_set: ImageSet) -> None:
    images = test_set.images[:6]
    critic = Critic.from_module(foreign.seeded(name), SHAPE)
    scores = critic.score(images)
    assert scores == pytest.approx(direct(name, to_network(images)), rel=1e-4, abs=1e-5)
    assert np.allclose(critic.score(images, batch_size=1), scores, atol=1e-5)
    assert critic.embed(images, pooling="mean").shape == (6, sum(critic.config.layer_sizes))


@pytest.mark.parametrize("name", foreign.KINDS)
def test_saved_by_factory_it_loads_only_where_code_is_trusted(name: str, test_set: ImageSet, tmp_path: Path) -> None:
    images = test_set.images[:4]
    save_file(foreign.seeded(name).state_dict(), tmp_path / "w.safetensors")
    critic = Critic.from_factory(f"{HERE}:{name}", SHAPE, weights=tmp_path / "w.safetensors")
    critic.save(tmp_path / "c")
    with pytest.raises(InputError, match=f"loading it runs {HERE}:{name}. If you trust that code, add --trust-code"):
        Critic.load(tmp_path / "c")
    again = Critic.load(tmp_path / "c", trust_code=True)
    assert again.hash == critic.hash
    assert np.array_equal(again.score(images), critic.score(images))
    twins = [again.random_init(seed) for seed in (1, 1, 2)]
    assert twins[0].hash == twins[1].hash
    assert len({again.hash, twins[0].hash, twins[2].hash}) == 3
    scorer = CriticScorer(str(tmp_path / "c"), trust_code=True).fit(images)
    assert np.allclose(scorer.transform(images).ravel(), critic.score(images), atol=1e-5)


def test_value_range_and_sign_are_applied(test_set: ImageSet) -> None:
    images = test_set.images[:4]
    unit = (to_network(images) + 1) / 2
    with torch.inference_mode():
        expected = foreign.seeded("PatchGan")(unit).mean((1, 2, 3)).numpy()
    critic = Critic.from_module(foreign.seeded("PatchGan"), SHAPE, value_range=(0, 1), sign=-1)
    assert critic.score(images) == pytest.approx(-expected, abs=1e-6)


def test_conditional_discriminators_need_the_number_of_labels_and_are_averaged(test_set: ImageSet) -> None:
    images, module = test_set.images[:3], foreign.Conditional().eval()
    with pytest.raises(ConfigError, match="called with labels too; say how many there are with n_labels"):
        Critic.from_module(module, SHAPE)
    critic = Critic.from_module(module, SHAPE, n_labels=5)
    with torch.inference_mode():
        each = [module(to_network(images), torch.full((3,), k)).squeeze(1) for k in range(5)]
    assert critic.score(images) == pytest.approx(torch.stack(each).mean(0).numpy(), abs=1e-5)


def test_features_of_a_conditional_discriminator_are_means_over_its_labels_as_scores_are(test_set: ImageSet) -> None:
    images, module = test_set.images[:3], foreign.Conditional().eval()
    critic = Critic.from_module(module, SHAPE, n_labels=5)
    (layer, *_), each = critic.config.layers, []
    with torch.inference_mode():
        for k in range(5):
            with watched(module, [layer]) as caught:
                module(to_network(images), torch.full((3,), k))
            each.append(caught[layer])
    expected = pool(torch.stack(each).mean(0), "mean").numpy()
    assert np.allclose(critic.embed(images, layers=[layer], pooling="mean"), expected, atol=1e-5)


def test_a_foreign_critic_is_scored_beside_its_own_random_inits(test_set: ImageSet) -> None:
    scores = score(Critic.from_module(foreign.seeded("PatchGan"), SHAPE), test_set.take(np.arange(16)))
    assert {"control.random_init.0", "embedding.random_init.2"} <= set(scores.table)
    assert scores.provenance["network"] == "PatchGan"


def test_what_cannot_be_adapted_is_named(tmp_path: Path, test_set: ImageSet) -> None:
    patch = foreign.seeded("PatchGan")
    torch.save(patch, tmp_path / "whole.pt")
    torch.save({"body.0.weight": torch.zeros(1)}, tmp_path / "other.pt")
    cases = [
        (lambda: Critic.from_module(foreign.WholeBatch(), SHAPE), InputError, r"returned a tensor \(\) for 2 images"),
        (lambda: Critic.from_module(patch, (32, 32, 1)), InputError, "does not take 32x32x1 images"),
        (lambda: Critic.from_module(patch, SHAPE, layers=["bdy"]), ConfigError, "Did you mean 'body'"),
        (lambda: Critic.from_module(patch, SHAPE, sign=0), ConfigError, "sign must be 1 or -1"),
        (lambda: Critic.from_module(patch, SHAPE, output="logit"), ConfigError, "unknown output 'logit'"),
        (lambda: Critic.from_module(patch, SHAPE, value_range=(1, 1)), ConfigError, "black < white"),
        (lambda: Critic.from_module(patch, SHAPE).save(tmp_path / "c"), InputError, "without a factory"),
        (lambda: Critic.from_module(foreign.Spectral(), SHAPE).random_init(0), InputError, "need a factory"),
        (lambda: Critic.from_factory("nonsense", SHAPE), InputError, "written package.module:name, got 'nonsense'"),
        (lambda: Critic.from_factory("no.such:Thing", SHAPE), InputError, "cannot be imported: No module named 'no'"),
        (lambda: Critic.from_factory(f"{HERE}:Nothing", SHAPE), InputError, "has no attribute 'Nothing'"),
        (lambda: Critic.from_factory(f"{HERE}:broken", SHAPE), InputError, "raised RuntimeError: weights not found"),
        (lambda: Critic.from_factory(f"{HERE}:not_a_module", SHAPE), InputError, "returned str, not a torch module"),
        (lambda: Critic.from_factory(f"{HERE}:PatchGan", SHAPE, weights=tmp_path / "whole.pt"), InputError,
         "is not a plain state dict, so it is not loaded: unpickling runs code"),
        (lambda: Critic.from_factory(f"{HERE}:PatchGan", SHAPE, weights=tmp_path / "other.pt"), InputError,
         r"do not match: 5 missing \(body.0.bias, body.2.bias"),
        (lambda: Critic.from_factory(f"{HERE}:PatchGan", SHAPE, weights=tmp_path / "none.pt"), InputError, "be read"),
    ]  # fmt: skip
    for number, (action, kind, message) in enumerate(cases):
        with pytest.raises(kind, match=message):
            action()
        assert not (tmp_path / "c").exists(), number


def test_a_plain_state_dict_is_loaded(test_set: ImageSet, tmp_path: Path) -> None:
    torch.save({"state_dict": foreign.seeded("PatchGan").state_dict()}, tmp_path / "w.pt")
    critic = Critic.from_factory(f"{HERE}:PatchGan", SHAPE, weights=tmp_path / "w.pt", arguments={"width": 16})
    expected = direct("PatchGan", to_network(test_set.images[:3]))
    assert critic.score(test_set.images[:3]) == pytest.approx(expected, abs=1e-5)


def test_the_command_line_adapts_and_scores(test_set: ImageSet, tmp_path: Path) -> None:
    save_file(foreign.PatchGan(8).state_dict(), tmp_path / "w.safetensors")
    np.save(tmp_path / "x.npy", test_set.images[:16])

    def call(*words: object) -> tuple[int, str]:
        result = CliRunner().invoke(app, [str(w) for w in words])
        return result.exit_code, result.stderr

    adapt = ("adapt", f"{HERE}:PatchGan", "--weights", tmp_path / "w.safetensors", "--arg", "width=8", "--out")
    assert call(*adapt, tmp_path / "c", "--image-shape", "32x32x3", "--value-range", "0,1")[0] == 0
    score = ("score", tmp_path / "c", tmp_path / "x.npy", "--out", tmp_path / "s.parquet")
    code, stderr = call(*score)
    assert (code, "add --trust-code" in stderr) == (3, True)
    assert call(*score, "--trust-code")[0] == 0
    code, stderr = call(*adapt, tmp_path / "d", "--image-shape", "32")
    assert (code, "--image-shape takes HxWxC, such as 32x32x3, got '32'" in stderr) == (3, True)


@pytest.mark.parametrize("kind", [torch.half, torch.bfloat16, torch.double])
def test_weights_of_any_float_type_are_used_in_float32(kind: torch.dtype, test_set: ImageSet) -> None:
    module = foreign.seeded("PatchGan").to(kind)
    critic = Critic.from_module(module, SHAPE)
    assert {weight.dtype for weight in critic.module.parameters()} == {torch.float32}
    expected = direct("PatchGan", to_network(test_set.images[:3]))
    assert critic.score(test_set.images[:3]) == pytest.approx(expected, abs=1e-2)


def test_compiled_modules_are_looked_into(test_set: ImageSet) -> None:
    expected = Critic.from_module(foreign.seeded("PatchGan"), SHAPE).embed(test_set.images[:3])
    whole = torch.compile(foreign.seeded("PatchGan"), backend="eager")
    inside, in_place = foreign.seeded("PatchGan"), foreign.seeded("PatchGan")
    inside.body = torch.compile(inside.body, backend="eager")
    in_place.compile(backend="eager")
    for module in (whole, inside, in_place):
        assert np.array_equal(Critic.from_module(module, SHAPE).embed(test_set.images[:3]), expected)


@pytest.mark.parametrize("error", [AssertionError(), KeyError("k"), RuntimeError("r"), OSError("o"), Exception("x")])
def test_whatever_a_forward_raises_is_told(error: Exception, test_set: ImageSet) -> None:
    def fail(score: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if len(x) == 5:
            raise error
        return score

    critic = Critic.from_module(foreign.Headed(fail), SHAPE)
    with pytest.raises(InputError, match=f"does not take 32x32x3 images: it raised {type(error).__name__}"):
        critic.score(test_set.images[:5])


def test_a_range_that_is_asserted_is_met_when_adapting() -> None:
    def bounded(score: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        assert x.min() >= 0
        return score

    with pytest.raises(InputError, match="it raised AssertionError"):
        Critic.from_module(foreign.Headed(bounded), SHAPE)
    assert Critic.from_module(foreign.Headed(bounded), SHAPE, value_range=(0, 1)).config.layer_sizes == (8, 16)


def test_a_batch_that_does_not_divide_is_told_which_sizes_do(test_set: ImageSet) -> None:
    critic = Critic.from_module(foreign.Groups(), SHAPE)
    assert critic.score(test_set.images[:8], batch_size=4).shape == (8,)
    for batch_size, n in ((10, 10), (4, 2)):
        message = f"That was a batch of {n}; it takes 4, 8, 16, 32 or 64 at a time: give a --batch-size"
        with pytest.raises(InputError, match=message):
            critic.score(test_set.images[:10], batch_size=batch_size)


def test_factories_and_layers_that_cannot_be_used_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raising_module.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows, self.last, self.unused = nn.LSTM(96, 8, batch_first=True), nn.Linear(8, 1), nn.Linear(2, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.rows(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])

    cases = [
        (lambda: Critic.from_factory("raising_module:D", SHAPE), "cannot be imported: it raised ZeroDivisionError"),
        (lambda: Critic.from_factory("..x:D", SHAPE), "cannot be imported: it raised TypeError"),
        (
            lambda: Critic.from_factory(f"{HERE}:Dcgan", SHAPE, arguments={"depth": 3}),
            "does not build: it raised TypeE",
        ),
        (lambda: Critic.from_module(lambda x: x, SHAPE), "a torch module is needed, got function"),
        (lambda: Critic.from_module(foreign.Headed().to("meta"), SHAPE), "cannot be brought to the CPU in float32"),
        (lambda: Critic.from_module(Recurrent(), SHAPE, layers=["rows"]), "the layer rows gives a tuple of"),
        (lambda: Critic.from_module(Recurrent(), SHAPE, layers=["unused"]), "the layer unused does not run"),
    ]
    for action, message in cases:
        with pytest.raises(InputError, match=message):
            action()


def test_gradients_of_foreign_code_are_behind_the_boundary(test_set: ImageSet) -> None:
    class NoWayBack(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, x: torch.Tensor) -> torch.Tensor:
            return x.clone()

        @staticmethod
        def backward(ctx: object, slope: torch.Tensor) -> torch.Tensor:
            raise KeyError("no way back")

    critic = Critic.from_module(foreign.Headed(lambda score, x: NoWayBack.apply(score)), SHAPE)
    with pytest.raises(InputError, match="gives no gradients: it raised KeyError: 'no way back'. Occlusion needs none"):
        integrated_gradients(critic, test_set.images[:1])


def test_loading_a_state_and_fine_tuning_are_behind_the_boundary(test_set: ImageSet, tmp_path: Path) -> None:
    Critic.from_factory(f"{HERE}:RefusesItsState", SHAPE).save(tmp_path / "refuses")
    with pytest.raises(InputError, match="does not hold a whole critic: it raised LookupError: not mine"):
        Critic.load(tmp_path / "refuses", trust_code=True)
    Critic.from_factory(f"{HERE}:NoWayBack", SHAPE).save(tmp_path / "no-way-back")
    rows, labels = test_set.images[:20].reshape(20, -1), test_set.table["factor.shape"][:20]
    tuned = CriticClassifier(str(tmp_path / "no-way-back"), mode="finetune", max_epochs=1, trust_code=True)
    with pytest.raises(InputError, match="NoWayBack cannot be fine-tuned: it raised KeyError: .* Use mode='probe'"):
        tuned.fit(rows, labels)


def test_arguments_that_no_file_can_hold_are_named(tmp_path: Path) -> None:
    critic = Critic.from_module(
        foreign.PatchGan(), SHAPE, factory=f"{HERE}:PatchGan", arguments={"activation": torch.nn.ReLU()}
    )
    with pytest.raises(InputError, match=r"PatchGan cannot be saved, .*ReLU is not JSON serializable.*must be text"):
        critic.save(tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_the_command_line_chooses_network_output_and_labels(tmp_path: Path) -> None:
    state = foreign.PatchGan().state_dict()
    torch.save({"netG": state, "netD": state, "epoch": 1}, tmp_path / "w.pt")

    def adapt(*words: object) -> tuple[int, str]:
        fixed = ("--out", tmp_path / "c", "--image-shape", "32x32x3", "--overwrite")
        result = CliRunner().invoke(app, ["adapt", *(str(w) for w in (*words, *fixed))])
        return result.exit_code, result.stderr

    patch = (f"{HERE}:PatchGan", "--weights", tmp_path / "w.pt")
    code, stderr = adapt(*patch)
    assert (code, "netG (6 tensors), netD (6 tensors). Choose with --key" in stderr) == (3, True)
    assert adapt(*patch, "--key", "netD")[0] == 0
    torch.save({"netG": foreign.Tied().state_dict(), "netD": state}, tmp_path / "w.pt")
    code, stderr = adapt(*patch)
    assert (code, "'netD' was loaded: the only one that fits" in stderr) == (0, True)
    code, stderr = adapt(f"{HERE}:unet")
    assert (code, "'0' for the number of each image, (2,)" in stderr) == (3, True)
    assert adapt(f"{HERE}:unet", "--output", "0")[0] == 0
    assert Critic.load(tmp_path / "c", trust_code=True).config.adaptation["output"] == "0:score"
    assert adapt(f"{HERE}:one_hot", "--n-labels", 3, "--labels", "one-hot")[0] == 0
