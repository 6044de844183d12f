"""``gan-probe adapt``: a discriminator from elsewhere as a critic folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gan_probe.cli.options import DryRun, Json, Overwrite, TrustCode, parse_settings
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError


def adapt(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PACKAGE.MODULE:NAME|FILE",
            help="What builds it (its code is run), or a file that carries its own graph: .onnx, or TorchScript .pt.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The critic folder to write.")],
    image_shape: Annotated[str, typer.Option(metavar="HxWxC", help="Images it takes, such as 32x32x3.")],
    weights: Annotated[
        Path | None, typer.Option(help=".safetensors, or a state dict (.pt) that holds tensors only.")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="Of several networks in the file of weights, the one to load, such as netD.")
    ] = None,
    value_range: Annotated[str, typer.Option(metavar="BLACK,WHITE", help="Its black and white.")] = "-1,1",
    output: Annotated[
        str,
        typer.Option(
            metavar="[PART:]KIND",
            help="KIND: auto, score or probability (turned into a logit). PART: which of several things it returns,"
            " such as 0, logits or an output's name in ONNX; 0+1 is the mean of two.",
        ),
    ] = "auto",
    reverse: Annotated[bool, typer.Option("--reverse", help="It returns higher values for fakes.")] = False,
    n_labels: Annotated[int | None, typer.Option(help="Conditional: average its score over so many labels.")] = None,
    labels: Annotated[
        str, typer.Option("--label-form", help="Conditional: how it takes them. auto, index, one-hot, or a rarer form.")
    ] = "auto",
    training_class: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="A class that it was trained on; repeatable. Without, pages cannot tell seen from unseen classes.",
        ),
    ] = None,
    layers: Annotated[list[str] | None, typer.Option("--layer", help="Layer of the embedding; repeatable.")] = None,
    arguments: Annotated[list[str] | None, typer.Option("--arg", metavar="NAME=VALUE", help="For the factory.")] = None,
    trust_code: TrustCode = False,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Bring your own discriminator: build it, load its weights, keep it as a critic that every verb takes."""
    with Session("adapt", json) as session:
        from gan_probe.critics.critic import Critic
        from gan_probe.critics.identity import MARKER
        from gan_probe.critics.stored import WITHOUT_CODE
        from gan_probe.places import DATA, hint
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        height, width, channels = _numbers(image_shape, "x", 3, int, "--image-shape takes HxWxC, such as 32x32x3")
        black, white = _numbers(value_range, ",", 2, float, "--value-range takes BLACK,WHITE, such as 0,1")
        shape = (height, width, channels)
        options: dict[str, Any] = {
            "value_range": (black, white),
            "output": output,
            "sign": -1 if reverse else 1,
            "n_labels": n_labels,
            "labels": labels,
            "layers": layers,
            "training_classes": training_class or (),
        }
        is_file = ":" not in source and bool(Path(source).suffix)
        if Path(source).is_dir():
            raise ConfigError(
                f"{source} is a folder. Give what builds the network, PACKAGE.MODULE:NAME, or a file with a graph."
                f"{hint(source, DATA)}"
            )
        if is_file:
            if weights or arguments or key:
                raise ConfigError(
                    "a file carries its own graph and weights: --weights, --key and --arg are for factories."
                )
            critic = Critic.from_file(source, shape, trust_code=trust_code, **options)
        else:
            critic = Critic.from_factory(
                source, shape, weights=weights, key=key, arguments=parse_settings(arguments or []), **options
            )
            session.warn(critic.remarks)
        session.plan(dry_run, {"network": critic.config.network, "layers": ", ".join(critic.config.layers), "out": out})
        session.hold(out)
        critic.save(out, overwrite=overwrite)
        if weights is None and not is_file:
            session.warn(["no --weights: the critic keeps the random weights that the factory gave it."])
        session.outputs["critic"] = str(out)
        session.metrics |= {"critic_hash": critic.hash, "layers": list(critic.config.layers)}
        named = ", ".join(critic.config.layers) or "none can be looked into"
        session.say(f"{critic.config.network} as a critic in {out}; its layers: {named}")
        session.say(f"Its output: {critic.config.adaptation['output']}")
        if not training_class:
            session.say("Which classes it was trained on is unknown: say so with --training-class, or score --seen.")
        trust = "" if critic.config.factory in WITHOUT_CODE else " --trust-code"
        session.say(f"Look at it first: gan-probe check {out} DATA{trust}")


def _numbers(text: str, separator: str, n: int, kind: Callable[[str], Any], message: str) -> list[Any]:
    try:
        values = [kind(word) for word in text.split(separator)]
    except ValueError as error:
        raise ConfigError(f"{message}, got {text!r}.") from error
    if len(values) != n:
        raise ConfigError(f"{message}, got {text!r}.")
    return values
