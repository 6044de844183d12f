"""A process of two: one critic update and three steps on half of each batch; rank 0 saves what came out.

Started by test_ranks.py through torchrun: ``two_processes.py NETWORK OUT``.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from gan_probe.config import TrainConfig
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.ranks import Ranks, join, leave
from gan_probe.training.step import State, critic_gradients, new_state, train_step

CPU = torch.device("cpu")
EPS = (
    1e-2  # Adam's first steps are the gradients' signs; with its own eps, rounding decides where a gradient is nearly 0
)
CONFIGS = {
    "compact": TrainConfig(batch_size=8, steps=3, precision="fp32"),
    "dcgan": TrainConfig(
        network="dcgan", objective="non-saturating", penalty="none", batch_size=8, steps=3, precision="fp32"
    ),
    "auxiliary": TrainConfig(
        network="mlp",
        augment="crop,flip,colour",
        auxiliary="contrastive,rotation,consistency",
        batch_size=8,
        steps=3,
        precision="fp32",
    ),
}


def as_double(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Networks in double: in float32 rounding, which differs with batch size and machine, turns rectifiers over."""
    return tuple(x.double() if x.is_floating_point() else x for x in inputs)


def work(name: str, ranks: Ranks) -> dict[str, torch.Tensor]:
    """Return the critic's gradients in the first step, and all weights after three."""
    torch.set_num_threads(1)
    config = CONFIGS[name]
    # Noise, not shapes: on flat ground compact's texture path stands at the kink of its rectifier, and there rounding,
    # which differs with the size of a batch, decides.
    images = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
    source = ImageSource.of(images, CPU)

    def start() -> State:
        state = new_state(config, images.shape[1:], CPU, ranks=ranks)
        for optimizer in (state.critic_optimizer, state.generator_optimizer):
            optimizer.param_groups[0]["eps"] = EPS
        for network in vars(state).values():
            if isinstance(network, torch.nn.Module):
                network.double().register_forward_pre_hook(as_double)
        for head in state.heads.values():
            head.register_forward_pre_hook(as_double)
        look = state.critic.score_and_features  # tasks ask it, past the hook of forward
        state.critic.score_and_features = lambda x: look(x.double())
        return state

    state, found = start(), {}
    first = next(batches(source, config, first=1, sees_reals=False, ranks=ranks))
    critic_gradients(state, first.critic[0], config, "fp32")
    ranks.average_gradients(state.critic.parameters())
    found |= {f"gradient/{n}": p.grad.clone() for n, p in state.critic.named_parameters()}
    state = start()
    for batch in batches(source, config, first=1, sees_reals=False, ranks=ranks):
        train_step(state, batch, config, precision="fp32", ranks=ranks)
    for part in ("critic", "generator", "average"):
        found |= {f"{part}/{n}": v.clone().contiguous() for n, v in getattr(state, part).state_dict().items()}
    return found


if __name__ == "__main__":
    ranks = join(CPU)
    found = work(sys.argv[1], ranks)
    if ranks.rank == 0:
        save_file({name: value.contiguous() for name, value in found.items()}, Path(sys.argv[2]))
    leave()
