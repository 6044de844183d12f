"""One training, whole and gone on with from a checkpoint."""

import torch

from gan_probe.config import TrainConfig
from gan_probe.images.image_set import ImageSet
from gan_probe.training import RunFolder
from gan_probe.training.batches import ImageSource, batches
from gan_probe.training.step import State, new_state, train_step

CPU = torch.device("cpu")


def whole_and_resumed(config: TrainConfig, data: ImageSet, run: RunFolder) -> tuple[State, State]:
    """Return the last state of a training, and of one that goes on from the checkpoint of its second step."""
    source = ImageSource.of(data.images, CPU)
    whole = new_state(config, data.image_shape, CPU)
    for batch in batches(source, config, first=1, sees_reals=False):
        train_step(whole, batch, config, precision="fp32")
        if whole.step == 2:
            run.write_checkpoint(whole)
    resumed = new_state(config, data.image_shape, CPU)
    run.read_checkpoint(resumed)
    for batch in batches(source, config, first=3, sees_reals=False):
        train_step(resumed, batch, config, precision="fp32")
    return whole, resumed


def assert_equal_bits(whole: State, resumed: State) -> None:
    """Raise unless every weight and statistic is the same."""
    assert set(whole.modules()) == set(resumed.modules())
    for name, module in whole.modules().items():
        ours, theirs = module.state_dict(), resumed.modules()[name].state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in ours), name
