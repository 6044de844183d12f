"""Critic folders on the Hugging Face hub: what is sent, and how it is opened again. Nothing pickled goes either way."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch

from gan_probe.critics.critic import Critic
from gan_probe.critics.loading import OPENERS
from gan_probe.errors import InputError, MissingError
from synthetic.files import atomic_folder

KINDS = (".safetensors", ".json", ".npy", ".parquet", ".md")  # of files that a critic's folder is made of


def push_to_hub(
    critic: str | Path,
    repo: str,
    *,
    private: bool = True,
    message: str = "A critic of gan-probe",
    trust_code: bool = False,
) -> str:
    """Send a critic to the Hugging Face hub, and return the address of its commit.

    What goes is what `pack_critic` copies. The account is that of ``hf auth login``.

    Parameters
    ----------
    critic : path
        A run, snapshot, critic or ensemble folder.
    repo : str
        ``owner/name``; made where it is not there.
    private : bool
        Of a repository that is made.
    message : str
        Of the commit.
    trust_code : bool
        Run the code that an adapted critic names, to open it; the code is not sent.

    Raises
    ------
    MissingError
        Without huggingface_hub.
    InputError
        Where there is no critic, or it was changed since it was saved.
    """
    hub = _hub()
    with tempfile.TemporaryDirectory() as place:
        folder = pack_critic(critic, Path(place) / "critic", trust_code=trust_code)
        hub.create_repo(repo, private=private, exist_ok=True)
        return str(hub.upload_folder(repo_id=repo, folder_path=folder, commit_message=message).commit_url)


def from_hub(
    repo: str | Path, *, revision: str | None = None, device: torch.device | str = "cpu", trust_code: bool = False
) -> Critic:
    """Return a critic of the Hugging Face hub, or of a local folder where there is one of that name.

    Parameters
    ----------
    repo : str or path
        ``owner/name``, or a folder.
    revision : str, optional
        A branch, tag or commit; a commit is what a result can be repeated with.
    device : str or torch.device
    trust_code : bool
        Allow a critic from elsewhere to import and call the factory that its ``config.json`` names.

    Raises
    ------
    MissingError
        Without huggingface_hub.
    InputError
        Where there is no critic, or one that does not fit its checksum.
    """
    if not Path(repo).is_dir():
        patterns = [pattern for kind in KINDS for pattern in (f"*{kind}", f"**/*{kind}")]
        repo = _hub().snapshot_download(str(repo), revision=revision, allow_patterns=patterns)
    return Critic.load(repo, device, trust_code=trust_code)


def pack_critic(critic: str | Path, out: Path, *, trust_code: bool = False) -> Path:
    """Copy what a critic is made of, its model card included, into a new folder, and return that.

    It is opened once before, so that nothing broken is sent.

    Raises
    ------
    InputError
        Where there is no critic, or it was changed since it was saved.
    """
    source = Path(critic)
    Critic.load(source, trust_code=trust_code)
    marker, folder = next((n, f) for f in (source, source / "critic") for n in OPENERS if (f / n).is_file())
    with atomic_folder(out, marker=marker) as temporary:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and file.suffix in KINDS:
                if file.is_symlink():
                    raise InputError(f"{file} is a link; a critic that is sent is made of files.")
                place = temporary / file.relative_to(folder)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, place)
    return out


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingError("the hub needs huggingface_hub: pip install 'gan-probe[hf]'.") from error
    return huggingface_hub
