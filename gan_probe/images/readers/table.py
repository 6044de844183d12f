"""Every reader in one table: what it takes, what entries there are, how one is decoded.

To add one: a function from a path to `Entries`, one row in ``READERS`` and its word in ``ACCEPTED``. Reading,
streaming, help, messages and ``docs/what-is-read.md`` follow from the row.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from gan_probe.errors import InputError
from gan_probe.images.readers import ACCEPTED
from gan_probe.images.readers.arrays import read_npy, read_npz
from gan_probe.images.readers.arrow import is_saved, read_saved
from gan_probe.images.readers.entries import Entries, some
from gan_probe.images.readers.files import list_folder, printable
from gan_probe.images.readers.folder import own_files, read_folder, read_picture
from gan_probe.images.readers.formats import is_picture
from gan_probe.images.readers.lists import STDIN, is_list, read_list, read_stdin
from gan_probe.images.readers.parquet import read_parquet_images
from gan_probe.images.readers.tar import read_tar
from gan_probe.places import DATA, hint, no_images


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One way in which images lie.

    Attributes
    ----------
    title : str
        One of `ACCEPTED`.
    matches : callable
        Whether it reads what lies at a path.
    entries : callable
        A path, and a split or None, to `Entries`; rows of other splits may be left in.
    can_stream : bool
        Whether images can be fetched one by one without holding all.
    images, labels, refused : str
        What it takes for images, where labels and columns come from, and what it does not take: for the docs.
    """

    title: str
    matches: Callable[[Path], bool]
    entries: Callable[[Path, str | None], Entries]
    can_stream: bool = True
    images: str
    labels: str
    refused: str


def find_reader(path: Path, *, streamed: bool = False) -> Reader:
    """Return the reader of what lies at a path.

    Raises
    ------
    InputError
        When there is nothing, or nothing that is known; with what is accepted.
    """
    readers = [reader for reader in READERS if reader.can_stream or not streamed]
    titles = ", ".join(title for title in ACCEPTED if any(reader.title == title for reader in readers))
    if not path.exists() and path != STDIN:
        raise InputError(f"{printable(path)} does not exist. Give {', '.join(ACCEPTED[:-1])} or {ACCEPTED[-1]}.")
    for reader in readers:
        if reader.matches(path):
            return reader
    what = "cannot be streamed" if streamed else "is not a kind of file that is known"
    raise InputError(f"{printable(path)} {what}. Accepted: {titles}.{hint(path, DATA)}")


def find_entries(path: Path, split: str | None, *, streamed: bool = False) -> Entries:
    """Return the entries at a path; of a folder whose images lie in one file, with a word on pictures beside it.

    Raises
    ------
    InputError
        See `find_reader`, and whatever its reader refuses.
    """
    if why := no_images(path):
        raise InputError(why)
    found = find_reader(path, streamed=streamed).entries(path, split)
    held = found.origin or found.file
    if path.is_dir() and held is not None:
        found = replace(found, warnings=(*found.warnings, *_beside(path, held.name)))
    return found


def _beside(folder: Path, read: str) -> tuple[str, ...]:
    """Return a word on images that lie in a folder beside the one file that is read."""
    known = own_files(folder) | {read}
    more = [
        printable(name)
        for name in list_folder(folder).files
        if (is_picture(name) or Path(name).suffix.lower() in SINGLE_FILES)
        and name not in known
        and not name.startswith(("masks/", "masks.", "metadata.", "."))
    ]
    return (f"{read} was read, and not what lies beside it: {some(more)}.",) if more else ()


def _holds(suffix: str) -> Callable[[Path], bool]:
    """Return whether a path is a file of this suffix, in any case of letters, or a folder with one called images."""
    return lambda path: (path / f"images{suffix}").is_file() or (path.is_file() and path.suffix.lower() == suffix)


SINGLE_FILES = (".npy", ".npz", ".parquet", ".tar")

READERS: tuple[Reader, ...] = (
    Reader(
        title="- (paths on standard input)",
        matches=lambda path: path == STDIN,
        entries=read_stdin,
        can_stream=False,
        images="the files that lines on standard input name, from the working folder or whole",
        labels="none",
        refused="a name of no picture counts as a broken picture",
    ),
    Reader(
        title=".csv",
        matches=is_list,
        entries=read_list,
        images="the files that a column `file_name` or `path` names, from the table's own folder or whole; also of"
        " `.parquet` without a column `image`",
        labels="every other column",
        refused="a name of no picture, or none, counts as a broken picture",
    ),
    Reader(
        title=".npy",
        matches=_holds(".npy"),
        entries=read_npy,
        images="one array (n, h, w), (n, h, w, 1) or (n, h, w, 3), uint8; also `images.npy` in a folder",
        labels="none; in a folder its metadata, one row an image in the same order",
        refused="other types than uint8, other shapes; objects (nothing is unpickled); Fortran order with `--stream`",
    ),
    Reader(
        title=".parquet",
        matches=_holds(".parquet"),
        entries=read_parquet_images,
        images="a column `image` of `{bytes, path}` with encoded pictures; also `images.parquet` in a folder",
        labels="every other column; integers of named classes (Hugging Face `ClassLabel`) by their names",
        refused="another kind of column; an empty cell counts as a broken picture",
    ),
    Reader(
        title=".npz",
        matches=lambda path: path.is_file() and path.suffix.lower() == ".npz",
        entries=read_npz,
        can_stream=False,
        images="`x`, `images` or `arr_0` as in `.npy`; or `x_train`, `x_val`, `x_test`, `x_...`, each a split",
        labels="`y`, `label`, `labels` or, beside `arr_0`, `arr_1`; `y_train`, ...; `classes` (names of integer"
        " labels); `seen` (true or false for each image), `split`",
        refused="labels that are not one for each image; other uint8 arrays of 3 or 4 axes count as images left out,"
        " all other arrays are named",
    ),
    Reader(
        title="a picture",
        matches=lambda path: path.is_file() and is_picture(path.name),
        entries=read_picture,
        images="one file of a format below; several are several paths",
        labels="none: a folder gives labels",
        refused="what is no picture by its name",
    ),
    Reader(
        title=".tar",
        matches=_holds(".tar"),
        entries=read_tar,
        images="every picture in it (WebDataset), read where it lies: nothing is unpacked; also `images.tar` in a"
        " folder",
        labels="what shares its name up to the first dot: `.cls`, `.label` or `.txt` is the label, `.json` an object of"
        " columns",
        refused="compressed archives and those that were cut short; names that are absolute or hold `..`, and links,"
        " count as broken pictures",
    ),
    Reader(
        title="a saved datasets.Dataset",
        matches=is_saved,
        entries=read_saved,
        images="a folder that `save_to_disk` of Hugging Face `datasets` wrote: its column `image`; the package is not"
        " needed. In Python a `datasets.Dataset` itself, too",
        labels="every other column; integers of a `ClassLabel` by their names; splits of a `DatasetDict`",
        refused="images that are kept elsewhere (a path without bytes): embed them before saving",
    ),
    Reader(
        title="a folder of images",
        matches=Path.is_dir,
        entries=read_folder,
        images="every picture in it and below it, or those that its metadata name; links are followed, once a folder",
        labels="the column `label` of the metadata; else the innermost sub-folder; where all the outermost are called"
        " `train`, `val`, `test` or the like, these are the column `split`",
        refused="names that lead out of the folder, folders that may not be listed: each counts as a broken picture",
    ),
)
