"""``gan-probe doctor``."""

from __future__ import annotations

from gan_probe.cli.options import Json
from gan_probe.cli.session import Session


def doctor(json: Json = False) -> None:
    """Say what this machine has: versions, device, arithmetic, extras."""
    with Session("doctor", json) as session:
        from importlib.util import find_spec

        from gan_probe.device import environment, resolve_device, resolve_precision
        from gan_probe.version import VERSION

        device = resolve_device("auto")
        facts = {
            "gan_probe": VERSION,
            **environment(),
            "device (auto)": str(device),
            "precision (auto)": resolve_precision("auto", device),
            "extra umap": "installed" if find_spec("umap") else "missing: pip install 'gan-probe[umap]'",
        }
        session.metrics |= facts
        width = max(map(len, facts))
        session.say("\n".join(f"{name:<{width}}  {value}" for name, value in facts.items()))
