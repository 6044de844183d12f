"""A folder of picture files: which are read, by what class, and what is said of all else that lies there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from gan_probe.errors import InputError
from gan_probe.images.readers.entries import Entries, Refusal, decode_entry, some
from gan_probe.images.readers.files import Listing, list_folder, printable
from gan_probe.images.readers.formats import IMAGE_SUFFIXES, is_picture, looks_like_picture, may_hold_images
from gan_probe.images.readers.metadata import metadata_files, read_metadata
from gan_probe.names import split_role
from synthetic.files import is_ours

# What our own commands write beside images, by the file that marks such a folder.
OURS = {
    "dataset.json": ("contact-sheet.png", "dataset.json"),
    "samples.json": ("sheet.png", "interpolation.png", "latents.npy", "samples.json"),
}

# What lies in a folder of pictures and is none that is read, and what is done with it: for the docs.
PASSED_OVER: tuple[tuple[str, str], ...] = (
    ("pictures of other formats, films, arrays, archives (.heic, .psd, .svg, .mp4, .npy, .zip, ...)",
     "left out, counted and named: exit code 5"),
    ("pictures by their content and not by their name (`0.png.bak`, `0001`)", "the same"),
    ("pictures whose name, or whose folder's, begins with a dot", "not read; a warning counts and names them"),
    ("other files (.txt, .json, .csv, ...)", "not looked at; a warning counts and names them"),
    ("`.DS_Store`, `._*`, `Thumbs.db`, `desktop.ini`, `__MACOSX`, `.git`, `.cache`, `.ipynb_checkpoints`",
     "passed over without a word"),
    ("`contact-sheet.png` beside `dataset.json`, `sheet.png` and `interpolation.png` beside `samples.json`",
     "ours: passed over without a word"),
    ("links to folders that are read already, or that hold the folder itself", "passed over; a warning names them"),
    ("pictures beside class folders", "read, without a label: `(no label)`; a warning names them"),
    ("pictures that the metadata do not name",
     "not read, as the metadata say what the data set is; a warning counts and names them"),
    ("`masks/` (`mask`, `ground_truth`, `segmentation`, `annotations`, ...) beside `images/`, without metadata",
     "refused, as masks would be read as pictures: give the folder of the images; elsewhere, read and said"),
    ("a second metadata file", "not read; a warning where it names other files, classes or splits"),
    ("names that are not UTF-8", r"read; shown as `caf\xe9.png`"),
)  # fmt: skip


# Folders that people put masks in, and those that they put the pictures in which these belong to.
MASKS = (
    "mask", "masks", "ground_truth", "groundtruth", "gt", "gtfine", "gtcoarse", "seg", "segs", "segmentation",
    "segmentations", "segmentationclass", "segmentationobject", "annot", "annots", "annotation", "annotations", "label",
    "labels",
)  # fmt: skip
PICTURES = ("image", "images", "img", "imgs", "jpegimages", "leftimg8bit", "picture", "pictures", "photo", "photos")


def read_folder(folder: Path, split: str | None) -> Entries:
    """Return the image files of a folder: those that its metadata name, or all.

    Raises
    ------
    InputError
        When there are none, or the metadata have no column file_name.
    """
    table, said = read_metadata(folder)
    if table is None:
        return _all_pictures(folder, split)
    if "file_name" not in table:
        raise InputError(f"the metadata in {folder} has no column file_name. Columns: {', '.join(table.columns)}.")
    names = [_written(folder, name) for name in table["file_name"]]
    said = (*said, *_unnamed(folder, names))
    told = told_by_folders(names)
    if "label" not in table and len(set(told.labels) - {None}) > 1:
        table = table.assign(label=pd.Series(told.labels, dtype=object))
        said = (*said, "the metadata has no column label: the names of the sub-folders are taken.")
    if "split" not in table and told.splits:
        table = table.assign(split=told.splits)
        said = (*said, *told.said)
    if split is not None and "split" in table:
        rows = (table["split"].astype(str) == split).to_numpy()
        table, names = table[rows].reset_index(drop=True), [n for n, keep in zip(names, rows, strict=True) if keep]
    if not names:
        raise _no_images(folder, split)
    return Entries(
        sources=[_source(folder, name, row) for row, name in enumerate(names)],
        names=[name or "(no file_name)" for name in names],
        table=table.drop(columns="file_name"),
        decode=decode_entry,
        warnings=said,
    )


def read_picture(path: Path, split: str | None) -> Entries:
    """Return one image file by itself."""
    del split  # it has none
    return Entries(sources=[path], names=[path.name], table=pd.DataFrame(index=[0]), decode=decode_entry)


def inside(folder: Path, name: str) -> Path:
    """Return ``folder/name``, unless the name leads out of the folder.

    Raises
    ------
    InputError
        When it does.
    """
    if ".." not in name and not Path(name).is_absolute():
        return folder / name
    target = Path(os.path.normpath(folder.absolute() / name))
    for root in (os.path.normpath(folder.absolute()), os.path.realpath(folder)):
        if target.is_relative_to(root):
            return folder / target.relative_to(root)
    raise InputError(f"the metadata in {folder} names a file outside of the folder: {name!r}.")


# --- named by metadata -------------------------------------------------------------------------------------------


def _written(folder: Path, name: str | float | None) -> str:
    """Return a file's name as the metadata write it; whole paths and those of Windows, as they lead from the folder."""
    text = "" if pd.isna(name) else str(name)
    if "\\" in text and not (folder / text).is_file():
        text = text.replace("\\", "/")
    if not Path(text).is_absolute():
        return text
    try:
        return inside(folder, text).relative_to(folder).as_posix()
    except InputError:
        return text


def _source(folder: Path, name: str, row: int) -> Path | Refusal:
    if not name.strip():
        return Refusal(f"row {row + 1} of the metadata in {folder} names no file.")
    try:
        return inside(folder, name)
    except InputError as error:
        return Refusal(str(error))


def _unnamed(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return a word on pictures that lie in a folder and that its metadata do not name."""
    named = {os.path.normpath(name) for name in names}
    ours = own_files(folder)
    more = [
        printable(name)
        for name in list_folder(folder).files
        if is_picture(name) and name not in named and name not in ours and not name.startswith(("masks/", "."))
    ]
    if not more:
        return ()
    return (f"{len(more)} pictures are not named by the metadata and were not read: {some(more)}.",)


def own_files(folder: Path) -> set[str]:
    """Return the names in a folder that our own commands gave, and that are no images of a data set."""
    return {name for mark, names in OURS.items() if is_ours(folder / mark) for name in names}


class ToldByFolders(NamedTuple):
    """What the folders of pictures say of each: its class, None where nothing; its split, where they are splits."""

    labels: list[str | None]
    splits: list[str]
    said: list[str]


def told_by_folders(names: Sequence[str]) -> ToldByFolders:
    """Return what the names of folders say of pictures.

    The innermost folder is the class. Where all the outermost are called train, test and the like, or all the
    innermost, these are splits. A folder of one name under several others, such as cats/images and dogs/images, says
    no class, and neither does images/ above splits.
    """
    folders = [tuple(printable(part) for part in PurePosixPath(name).parts[:-1]) for name in names]
    splits, said = list[str](), list[str]()
    for place, where in ((0, "outermost"), (-1, "innermost")):
        ends = list(dict.fromkeys(folder[place] for folder in folders if folder))
        if not splits and len(ends) > 1 and all(folders) and all(map(split_role, ends)):
            splits = [folder[place] for folder in folders]
            folders = [folder[1:] if place == 0 else folder[:-1] for folder in folders]
            said.append(f"the {where} folders are taken as splits: {some(ends)}. Choose one with --split.")
    labels = [folder[-1] if folder else None for folder in folders]
    if splits and len(set(labels)) == 1 and str(labels[0]).lower() in PICTURES:
        labels = [None] * len(names)
    above = list(dict.fromkeys("/".join(folder[:-1]) for folder in folders))
    if len(above) > 1 and len(set(labels)) == 1 and labels[0] is not None:
        said.append(
            f"every picture lies in a folder called {labels[0]}, which says no class. If those above it do"
            f" ({some(above)}), move the pictures up, or name labels in a metadata.csv."
        )
        labels = [None] * len(names)
    return ToldByFolders(labels, splits, said)


# --- found in the folder -----------------------------------------------------------------------------------------


@dataclass
class _Found:
    """What lies in a folder, by what is done with it."""

    pictures: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # may hold images, and is not read
    misnamed: list[str] = field(default_factory=list)  # pictures without a picture's name
    others: list[str] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    def warnings(self) -> list[str]:
        """Return what is to be said of all that is not read."""
        said = []
        if self.left_out:
            kinds = _by_suffix(self.left_out)
            said.append(f"left out {len(self.left_out)} files of kinds that are not read here: {kinds}.")
        if self.misnamed:
            said.append(
                f"left out {len(self.misnamed)} files that hold pictures and are not named so:"
                f" {some([printable(name) for name in self.misnamed])}."
            )
        if self.hidden:
            said.append(
                f"{len(self.hidden)} hidden pictures were not read: {some([printable(n) for n in self.hidden])}."
            )
        if self.others:
            said.append(f"{len(self.others)} other files were not looked at: {_by_suffix(self.others)}.")
        return said


def _by_suffix(names: Sequence[str]) -> str:
    """Return how many files there are of each kind, and the first of each."""
    kinds = Counter(printable(Path(name).suffix.lower()) for name in names)
    first = {printable(Path(name).suffix.lower()): printable(name) for name in reversed(names)}
    listed = [f"{count} {kind or 'without suffix'} ({first[kind]})" for kind, count in kinds.most_common()]
    return some(listed)


def _sort_out(folder: Path, listing: Listing) -> _Found:
    found, ours = _Found(), own_files(folder)
    read = {path.name for path in metadata_files(folder)}
    for name in listing.files:
        if any(part.startswith(".") for part in name.split("/")):
            kind = found.hidden if is_picture(name) else None
        elif name in ours or name in read:
            kind = None
        elif is_picture(name):
            kind = found.pictures
        elif may_hold_images(name):
            kind = found.left_out
        else:
            kind = found.misnamed if looks_like_picture(folder / name) else found.others
        if kind is not None:
            kind.append(name)
    return found


def _all_pictures(folder: Path, split: str | None) -> Entries:
    """Return every picture in a folder and below it, by the name of its sub-folder, in order."""
    listing = list_folder(folder)
    found = _sort_out(folder, listing)
    if not found.pictures and not listing.unlisted:
        raise _no_images(folder, split, found)
    like_masks = _like_masks(folder, found.pictures)
    unlisted = [f"{name}/" for name in listing.unlisted]
    names = [printable(name) for name in (*found.pictures, *unlisted)]
    refusals = [Refusal(f"this folder cannot be listed: {why}.") for why in listing.unlisted.values()]
    table = pd.DataFrame(index=range(len(names)))
    told = told_by_folders(found.pictures)
    said = [*found.warnings(), *told.said]
    if told.splits:
        table["split"] = pd.Series([*told.splits, *[None] * len(unlisted)], dtype=object)
    if any(told.labels):
        table["label"] = pd.Series([*told.labels, *[None] * len(unlisted)], dtype=object)
        loose = [name for name, label in zip(names, told.labels, strict=False) if label is None]
        if loose:
            said.append(f"{len(loose)} pictures lie beside the class folders, in none: {some(loose)}.")
    if like_masks:
        said.append(f"pictures in {like_masks}/ were read as images. If they are masks, give the folder of the images.")
    if listing.repeated:
        repeated = some([printable(name) for name in listing.repeated])
        said.append(f"{len(listing.repeated)} links to folders that are read already were passed over: {repeated}.")
    return Entries(
        sources=[*(folder / name for name in found.pictures), *refusals],
        names=names,
        table=table,
        decode=decode_entry,
        warnings=tuple(said),
        n_left_out=len(found.left_out) + len(found.misnamed),
    )


def _like_masks(folder: Path, pictures: Sequence[str]) -> str:
    """Return the folder whose pictures are masks by its name; nothing where there is none.

    Raises
    ------
    InputError
        Where the folder of the pictures that they belong to stands beside it.
    """
    beside = dict[str, dict[str, None]]()  # the folders in each folder
    for name in pictures:
        parts = name.split("/")[:-1]
        for depth, part in enumerate(parts):
            beside.setdefault("/".join(parts[:depth]), {})[part] = None
    for above, inner in beside.items():
        masks = next((name for name in inner if name.lower() in MASKS), "")
        images = next((name for name in inner if name.lower() in PICTURES), "")
        if masks and images:
            raise InputError(
                f"{folder / above} holds {images}/ and {masks}/ and no metadata that tell them apart, so masks would be"
                f" read as pictures. Give {folder / above / images} (and to gan-probe explain --masks"
                f" {folder / above / masks})."
            )
    return next((name for name in beside.get("", {}) if name.lower() in MASKS), "")


def _no_images(folder: Path, split: str | None, found: _Found | None = None) -> InputError:
    there = " ".join(["", *(f"Here, {text}" for text in found.warnings())]) if found else ""
    return InputError(
        f"{folder} holds no images{f' of split {split!r}' if split else ''}."
        f" Accepted: {', '.join(IMAGE_SUFFIXES)}, in the folder or in one sub-folder for each class.{there}"
    )
