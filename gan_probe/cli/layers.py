"""``gan-probe layers``: what can be asked of a critic."""

from __future__ import annotations

from gan_probe.cli.options import CriticFolder, Json, TrustCode
from gan_probe.cli.run_study import open_critic
from gan_probe.cli.session import Session


def layers(critic: CriticFolder, trust_code: TrustCode = False, json: Json = False) -> None:
    """Say what can be asked of a critic: its images, its layers and their widths, what is known of its training."""
    with Session("layers", json) as session:
        loaded = open_critic(critic, "cpu", trust_code=trust_code)
        config = loaded.config
        facts = {
            "critic": f"{critic} ({loaded.hash})",
            "network": config.network,
            "images": f"{'x'.join(map(str, config.image_shape))} (height x width x channels)",
            "trained": f"{config.step} steps" if config.step else "no record of a training",
            "training classes": ", ".join(config.training_classes) or "unknown",
        }
        widths = dict(zip(config.layers, config.layer_sizes, strict=False))
        session.metrics |= facts | {"layers": {name: widths.get(name) for name in config.layers}}
        width = max(map(len, facts))
        session.say("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
        for name in config.layers:
            session.say(f"{'layer':<{width}}  {name}{f', {widths[name]} channels' if name in widths else ''}")
        if not config.layers:
            session.say("It shows no layers: it can score, and not embed.")
