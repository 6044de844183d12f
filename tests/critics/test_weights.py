import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gan_probe.critics.critic import Critic
from gan_probe.critics.weights import load_weights
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from tests import foreign

SHAPE = (32, 32, 3)
STATE = foreign.Headed().state_dict()
OTHER = {"main.0.weight": torch.zeros(4, 4), "main.0.bias": torch.zeros(4)}


def prefixed(prefix: str, state: Mapping[str, Tensor] = STATE) -> dict[str, Tensor]:
    return OrderedDict((prefix + name, value) for name, value in state.items())


def loaded(content: Any, path: Path, module: nn.Module | None = None, key: str | None = None) -> tuple[bool, str]:
    """Return whether the weights of `STATE` arrived, and what was said."""
    module = foreign.Headed() if module is None else module
    torch.save(content, path)
    said = load_weights(module, path, key=key)
    plain = getattr(module, "module", getattr(module, "_orig_mod", module))
    return all(torch.allclose(value, STATE[name], atol=1e-2) for name, value in plain.state_dict().items()), said


CHECKPOINTS: dict[str, Any] = {
    "DataParallel": prefixed("module."),
    "compiled": prefixed("_orig_mod."),
    "both": prefixed("module._orig_mod."),
    "the other way": prefixed("_orig_mod.module."),
    "a wrapper inside": {name.replace("body.", "body.module."): value for name, value in STATE.items()},
    "an average of weights": torch.optim.swa_utils.AveragedModel(foreign.Headed()).state_dict() | prefixed("module."),
    "with an optimizer": {
        "model": STATE,
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": 0.1}]},
        "step": torch.tensor(3),
    },
    "with numbers beside": {**STATE, "epoch": 3, "name": "x"},
    "deep": {"nets": [{"state_dict": prefixed("module.")}], "epoch": 2},
    "half": {name: value.half() for name, value in STATE.items()},
    "bfloat16": {name: value.bfloat16() for name, value in STATE.items()},
    "double": {name: value.double() for name, value in STATE.items()},
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints_are_loaded_as_people_have_them(name: str, tmp_path: Path) -> None:
    assert loaded(CHECKPOINTS[name], tmp_path / "w.pt") == (True, "")


def test_the_module_may_be_wrapped_and_the_suffix_may_lie(tmp_path: Path) -> None:
    assert loaded(STATE, tmp_path / "w.pt", nn.DataParallel(foreign.Headed()))[0]
    assert loaded(STATE, tmp_path / "w.pt", torch.compile(foreign.Headed(), backend="eager"))[0]
    assert loaded(STATE, tmp_path / "w.safetensors")[0]
    save_file(STATE, tmp_path / "w.bin")
    assert load_weights(foreign.Headed(), tmp_path / "w.bin") == ""
    torch.save(STATE, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert load_weights(foreign.Headed(), tmp_path / "old.pt") == ""


def test_of_several_networks_the_one_that_fits_is_taken_and_named(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    for content, place in [
        ({"netG": OTHER, "netD": STATE, "epoch": 3}, "netD"),
        ({"netG": OTHER, "netD": prefixed("module.")}, "netD"),
        ({"state_dict": {**prefixed("G.", OTHER), **prefixed("D.")}}, "state_dict.D"),
        ([OTHER, STATE], "1"),
    ]:
        arrived, said = loaded(content, path)
        assert arrived
        assert f"{place!r} was loaded: the only one that fits" in said or place == "state_dict.D"


def test_where_several_fit_one_is_chosen_by_its_name(tmp_path: Path) -> None:
    path, stranger = tmp_path / "w.pt", foreign.Headed().state_dict()
    pair = {"netG": stranger, "netD": STATE, "epoch": 3}
    with pytest.raises(InputError, match=r"several networks that fit: netG \(6 tensors\), netD \(6 tensors\)"):
        loaded(pair, path)
    assert loaded(pair, path, key="netD") == (True, "")
    flat = {"state_dict": {**prefixed("d_ema.", stranger), **prefixed("d.")}}
    with pytest.raises(InputError, match="fit: state_dict.d .*, state_dict.d_ema .*Choose with --key"):
        loaded(flat, path)
    for key in ("d", "state_dict.d"):
        assert loaded(flat, path, key=key) == (True, "")
    with pytest.raises(InputError, match="holds no network 'netX'; it holds netG .*, netD .*Choose one of them"):
        loaded(pair, path, key="netX")
    with pytest.raises(InputError, match=r"the weights netG in .* do not match: 6 missing .* 2 unexpected \(main"):
        loaded({"netG": OTHER, "netD": STATE}, path, key="netG")
    halves = {name: {k: v for k, v in STATE.items() if "body" in k} for name in ("a", "b")}
    with pytest.raises(InputError, match="whichever of its networks is taken. a: 2 missing .*; b: 2 missing"):
        loaded(halves, path)


def test_states_of_older_layers_are_taken_as_torch_takes_them(tmp_path: Path) -> None:
    module = foreign.Dcgan()
    full = module.state_dict()
    old = {name: value for name, value in full.items() if "num_batches" not in name}  # no versions of layers
    torch.save({"D": prefixed("module.", old)}, tmp_path / "old.pt")
    assert load_weights(foreign.Dcgan(), tmp_path / "old.pt") == ""
    new = OrderedDict(prefixed("module.", old))
    new._metadata = {f"module.{k}".rstrip("."): v for k, v in full._metadata.items()}  # type: ignore[attr-defined]
    torch.save(new, tmp_path / "new.pt")
    with pytest.raises(InputError, match=r"1 missing \(main.1.num_batches_tracked\)"):
        load_weights(foreign.Dcgan(), tmp_path / "new.pt")


def test_what_is_no_file_of_weights_is_refused_in_words(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "good.pt")
    good = (tmp_path / "good.pt").read_bytes()
    broken = bytearray(good)
    broken[len(good) // 2] ^= 255
    torch.jit.trace(nn.Flatten(), torch.zeros(1, 2)).save(str(tmp_path / "program.pt"))
    contents = {
        "junk.pt": (b"junk" * 100, "is no file of weights: it begins with b'junk"),
        "page.safetensors": (b"<!DOCTYPE html>", "a download that failed is none"),
        "empty.pt": (b"", "is no file of weights"),
        "pickle.pt": (b"\x80\x02junk" * 20, "cannot be read: it raised"),
        "cut.pt": (good[:-20], "cannot be read: it raised .* Is it whole"),
        "flipped.pt": (bytes(broken), "is damaged: what it holds does not fit its check sums"),
        "tensors.safetensors": ((20).to_bytes(8, "little") + b"{" + b"x" * 40, "cannot be read: it raised Safetensor"),
        "program.pt": ((tmp_path / "program.pt").read_bytes(), "is a TorchScript program, not weights"),
    }
    for name, (content, message) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message):
            load_weights(foreign.Headed(), tmp_path / name)
    for content, message in [
        ({}, "holds dict, not a state dict of tensors"),
        (torch.zeros(3), "holds Tensor, not a state dict"),
        ({**STATE, "more.weight": torch.zeros(1)}, r"do not match: 1 unexpected \(more.weight\)"),
        ({**STATE, "last.bias": torch.zeros(2)}, "size mismatch for last.bias"),
    ]:
        with pytest.raises(InputError, match=message):
            loaded(content, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="got 'netD' and no weights"):
        Critic.from_factory("tests.foreign:Headed", SHAPE, key="netD")


def test_layers_that_share_a_weight_are_saved(test_set: ImageSet, tmp_path: Path) -> None:
    critic = Critic.from_factory("tests.foreign:Tied", SHAPE)
    critic.save(tmp_path / "c")
    again = Critic.load(tmp_path / "c", trust_code=True)
    assert again.hash == critic.hash
    assert np.array_equal(again.score(test_set.images[:3]), critic.score(test_set.images[:3]))


def test_a_state_that_no_file_of_weights_can_hold_is_refused() -> None:
    class Extra(foreign.Headed):
        def get_extra_state(self) -> dict[str, int]:
            return {"a": 1}

    with pytest.raises(InputError, match="keeps _extra_state in its state, of type dict"):
        Critic.from_module(Extra(), SHAPE)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors", "net.ts", "net.onnx"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read: it is no regular file"):
        if name.startswith("net"):
            Critic.from_file(tmp_path / name, (16, 16, 3), trust_code=True)
        else:
            load_weights(torch.nn.Linear(1, 1), tmp_path / name)
