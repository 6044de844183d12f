"""Data sets as shards: parts that are read by themselves, block by block: memory does not grow with the data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, fit_channels
from gan_probe.images.readers.arrow import files_of_split, is_saved, open_arrow, slices
from gan_probe.images.readers.decode import Decoded, resize_array
from gan_probe.images.readers.entries import Entries, some
from gan_probe.images.readers.files import foreign, list_folder, printable, stamp_of
from gan_probe.images.readers.folder import own_files
from gan_probe.images.readers.formats import is_picture, may_hold_images
from gan_probe.images.readers.lists import is_list
from gan_probe.images.readers.metadata import as_frame, label_meant, metadata_files, named_columns
from gan_probe.images.readers.parquet import encoded_entries
from gan_probe.images.readers.reading import attempt, check_sizes, name_rows
from gan_probe.images.readers.table import find_entries
from gan_probe.images.readers.tar import read_tar
from gan_probe.images.threads import on_threads
from gan_probe.types import Images, Indices
from synthetic import sample_id

N_ROWS = 8192  # images of a shard, where no file says where one ends
BLOCK = 256  # images in memory at a time, and as many again that are decoded ahead
SHARD_FILES = (".parquet", ".tar")  # in a folder, each is one shard or several


@dataclass(frozen=True)
class Shard:
    """A part of a data set; picklable, so that other processes and machines can read it.

    Attributes
    ----------
    name : str
        For messages and records.
    open : callable
        A number of images to an iterator over its entries, so many at a time.
    n : int or None
        Its images, broken ones too; None where only opening it would tell.
    most : int or None
        Only the first so many of them are meant.
    said : tuple of str
        Of a data set's first shard: what is to be said of the listing.
    n_left_out : int
        Of a data set's first shard: what may be images and is of a kind that is not read; ``said`` names it.
    """

    name: str
    open: Callable[[int], Iterator[Entries]]
    n: int | None = None
    most: int | None = None
    said: tuple[str, ...] = ()
    n_left_out: int = 0


@dataclass(frozen=True)
class Block:
    """Some images of a shard, decoded.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, h, w, c)
    table : DataFrame
        As in `ImageSet`.
    rows : ndarray of int
        Which of the shard's images these are.
    bad : dict of int to (str, str)
        By its row, the name of each that cannot be read, and why.
    notes : Counter
        How many images were converted in which way.
    """

    images: Images
    table: pd.DataFrame
    rows: Indices
    bad: dict[int, tuple[str, str]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)


# --- which shards there are ---------------------------------------------------------------------------------------


def find_shards(path: str | Path, *, split: str | None = None, n_rows: int = N_ROWS) -> list[Shard]:
    """Return the shards of what lies at a path, in order, without decoding anything.

    Parameters
    ----------
    path : path
        Whatever `read_images` reads; or a folder of Parquet or tar files, of which each is a shard, or several.
    split : str, optional
        Where a folder's metadata know it, files of other splits are left out here.
    n_rows : int
        Images of a shard. Row groups of Parquet files and tar files are not cut.

    Raises
    ------
    InputError
        When there is nothing to read.
    """
    path = Path(path)
    if is_saved(path):
        return _of_saved(path, split, n_rows)
    if path.is_dir():
        files, others = _shard_files(path)
        if files:
            found = [shard for file in files for shard in _of_file(file, n_rows, file.relative_to(path).as_posix())]
            left_out = f"left out {len(others)} files of kinds that are not read beside shards: {some(others)}."
            said = (*([left_out] if others else []), *_label_meant(files[0]))
            return _with_word(found, said, len(others))
    if path.is_file() and path.suffix.lower() in SHARD_FILES and not is_list(path):
        return _with_word(_of_file(path, n_rows, path.name), _label_meant(path), 0)
    if (path / "images.parquet").is_file():
        file = path / "images.parquet"
        return _with_word(_of_file(file, n_rows, file.name), _label_meant(file), 0)
    with foreign(f"{printable(path)} cannot be read as a data set"):
        entries = find_entries(path, split)
    n, name = len(entries.sources), printable(path.name or path)
    starts = range(0, n, n_rows)
    if entries.array is not None:  # it is opened again where it is read: pixels are not sent around
        reopen = partial(_reopened, path, split)
        found = [
            Shard(f"{name}#{a}", partial(_slices, reopen, a, min(n, a + n_rows)), min(n, a + n_rows) - a)
            for a in starts
        ]
    else:
        parts = [part_of(entries, np.arange(a, min(n, a + n_rows))) for a in starts]
        found = [Shard(f"{name}#{a}", partial(_given, p), len(p.sources)) for a, p in zip(starts, parts, strict=True)]
    return _with_word(found, entries.warnings, entries.n_left_out)


def _with_word(shards: Sequence[Shard], said: Sequence[str], n_left_out: int) -> list[Shard]:
    """Return shards of which the first says what is to be said of all."""
    return [replace(shard, said=tuple(said), n_left_out=n_left_out) for shard in shards[:1]] + [*shards[1:]]


def limited(shards: Sequence[Shard], limit: int | None) -> list[Shard]:
    """Return the shards that hold the first so many images, the last of them cut; None: all."""
    if limit is None:
        return list(shards)
    kept, left = list[Shard](), limit
    for shard in shards:
        if left <= 0:
            break
        n = sum(len(part.sources) for part in shard.open(N_ROWS)) if shard.n is None else shard.n
        kept.append(replace(shard, n=min(n, left), most=left) if n > left else replace(shard, n=n))
        left -= n
    return kept


def _shard_files(folder: Path) -> tuple[list[Path], list[str]]:
    """Return the Parquet and tar files of a folder that holds nothing else that is read, and what may be images."""
    if metadata_files(folder) or any((folder / f"images{suffix}").exists() for suffix in (".npy", ".npz")):
        return [], []
    ours = own_files(folder)
    names = [name for name in list_folder(folder).files if name not in ours]
    if any(is_picture(name) for name in names):
        return [], []
    shards = [name for name in names if Path(name).suffix.lower() in SHARD_FILES]
    others = [printable(name) for name in names if may_hold_images(name) and name not in shards]
    return [folder / name for name in shards], others


def _label_meant(file: Path) -> tuple[str, ...]:
    """Return a word on a column that may be meant for the label, of a Parquet file that has none."""
    if file.suffix.lower() != ".parquet":
        return ()
    with foreign(f"{printable(file)} cannot be read as .parquet"):
        table = pd.DataFrame(columns=pq.read_schema(file).names)
    return label_meant(named_columns(table, file), printable(file.name))


def _of_saved(folder: Path, split: str | None, n_rows: int) -> list[Shard]:
    shards = list[Shard]()
    for file, name in files_of_split(folder, split):
        with foreign(f"{printable(file)} cannot be read as .arrow"):
            n = open_arrow(file).num_rows
        spans = [(start, min(n, start + n_rows)) for start in range(0, n, n_rows)]
        shown = printable(file.relative_to(folder))
        shards += [Shard(f"{shown}#{a}", partial(slices, file, name, (a, b)), b - a) for a, b in spans]
    return shards


def _of_file(file: Path, n_rows: int, name: str) -> list[Shard]:
    if file.suffix.lower() == ".tar":
        return [Shard(printable(name), partial(_tar, file))]
    with foreign(f"{printable(file)} cannot be read as .parquet"), pq.ParquetFile(file) as opened:
        sizes = [opened.metadata.row_group(g).num_rows for g in range(opened.metadata.num_row_groups)]
        if "image" not in [column.strip().lower() for column in opened.schema_arrow.names]:
            raise InputError(f"{printable(file)} has no column image. Columns: {', '.join(opened.schema_arrow.names)}.")
    shards, groups = list[Shard](), list[int]()
    for group in range(len(sizes)):
        groups.append(group)
        held = sum(sizes[g] for g in groups)
        if held + (sizes[group + 1] if group + 1 < len(sizes) else n_rows) > n_rows:
            start = sum(sizes[: groups[0]])
            shards.append(Shard(f"{printable(name)}#{start}", partial(_row_groups, file, tuple(groups)), held))
            groups = []
    return shards


# --- what is in one -----------------------------------------------------------------------------------------------


def part_of(entries: Entries, rows: Indices) -> Entries:
    """Return some of the entries."""
    return replace(
        entries,
        sources=[entries.sources[i] for i in rows],
        names=[entries.names[i] for i in rows],
        table=entries.table.iloc[rows].reset_index(drop=True),
        array=None if entries.array is None or not len(rows) else _span(entries.array, rows[0], rows[-1] + 1),
    )


def _span(array: Images, start: int, stop: int) -> Images:
    """Return rows of an array; of one mapped from a file, read: pages of a map count as memory of the process."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous:
        return array[start:stop]
    n_bytes = int(np.prod(array.shape[1:]))
    with Path(str(array.filename)).open("rb") as file:
        file.seek(array.offset + start * n_bytes)
        content = file.read((stop - start) * n_bytes)
    if len(content) != (stop - start) * n_bytes:
        raise InputError(f"{printable(str(array.filename))} ends before image {stop - 1}: it was cut short.")
    return np.frombuffer(content, np.uint8).reshape(-1, *array.shape[1:])


def _given(entries: Entries, size: int) -> Iterator[Entries]:
    for start in range(0, len(entries.sources), size):
        yield part_of(entries, np.arange(start, min(len(entries.sources), start + size)))


@lru_cache(maxsize=1)  # shards of one file come one after the other
def _reopened(path: Path, split: str | None) -> Entries:
    with foreign(f"{printable(path)} cannot be read as a data set"):
        return find_entries(path, split)


def _slices(reopen: Callable[[], Entries], start: int, stop: int, size: int) -> Iterator[Entries]:
    entries = reopen()
    if len(entries.sources) < stop:
        raise InputError(f"{entries.origin or entries.file} holds fewer images than when its shards were counted.")
    for first in range(start, stop, size):
        yield part_of(entries, np.arange(first, min(stop, first + size)))


def _tar(file: Path, size: int) -> Iterator[Entries]:
    with foreign(f"{printable(file)} cannot be read as .tar"):
        entries = read_tar(file, None)
    yield from _given(entries, size)


def _row_groups(file: Path, groups: tuple[int, ...], size: int) -> Iterator[Entries]:
    """Yield the encoded images of some row groups; pages are read as they are needed."""
    with foreign(f"{printable(file)} cannot be read as .parquet"):
        opened = pq.ParquetFile(file, page_checksum_verification=True)
    stamp, row = stamp_of(file), sum(opened.metadata.row_group(g).num_rows for g in range(groups[0]))
    with opened:
        batches = opened.iter_batches(size, row_groups=list(groups))
        while True:
            with foreign(f"{printable(file)} cannot be read as .parquet"):
                batch = next(batches, None)
                if batch is None:
                    return
                table = pa.Table.from_batches([batch], opened.schema_arrow)
                found = encoded_entries(as_frame(table), file, first=row)
            yield replace(found, file=file, stamp=stamp)
            row += len(found.sources)


# --- decoding -----------------------------------------------------------------------------------------------------


def read_blocks(
    shard: Shard,
    n_channels: int,
    *,
    size_px: int | None = None,
    split: str | None = None,
    skip_bad: bool = True,
    only: npt.NDArray[np.intp] | None = None,
    size: int = BLOCK,
) -> Iterator[Block]:
    """Yield the images of a shard, decoded on threads, some at a time.

    An image's ``sample_id`` is that of its own channels, before they become the critic's: it follows from the image
    alone, whatever lies beside it.

    Parameters
    ----------
    shard : Shard
    n_channels : int
        1 or 3; images are converted.
    size_px : int, optional
        Resize every image to a square of this side.
    split : str, optional
        Keep only rows whose ``split`` is this.
    skip_bad : bool
        Tell of images that cannot be read in `Block.bad`, in place of raising.
    only : ndarray of int, optional
        Rows of the shard, ascending: no others are decoded.
    size : int
        Images at a time.

    Raises
    ------
    InputError
        When the shard cannot be read, or images differ in size.
    """
    first = 0
    for entries in shard.open(size):
        rows = np.arange(first, first + len(entries.sources))
        first += len(rows)
        keep = np.ones(len(rows), bool) if shard.most is None else rows < shard.most
        keep &= _of_split(entries, split, shard.name)
        if only is not None:
            keep &= np.isin(rows, only)
        if keep.any():
            whole = entries if keep.all() else _chosen(entries, np.flatnonzero(keep))
            yield _decode_block(whole, rows[keep], n_channels, size_px=size_px, skip_bad=skip_bad)
        if shard.most is not None and first >= shard.most:
            return


def _chosen(entries: Entries, rows: Indices) -> Entries:
    found = part_of(replace(entries, array=None), rows)
    return found if entries.array is None else replace(found, array=entries.array[rows])


def _of_split(entries: Entries, split: str | None, name: str) -> npt.NDArray[np.bool_]:
    if split is None:
        return np.ones(len(entries.sources), dtype=bool)
    if "split" not in entries.table:
        raise InputError(f"{name} has no splits, so split {split!r} cannot be chosen.")
    return (entries.table["split"].astype(str) == split).to_numpy()


def _decode_block(
    entries: Entries,
    rows: Indices,
    n_channels: int,
    *,
    size_px: int | None,
    skip_bad: bool,
) -> Block:
    if entries.array is not None:
        plain = np.array(entries.array)  # out of the file, once
        results: list[Decoded | InputError] = [(resize_array(image, size_px), ()) for image in plain]
    else:
        results = list(on_threads(partial(attempt, entries.decode, size_px), entries.sources))
    if entries.file is not None and stamp_of(entries.file) != entries.stamp:
        raise InputError(f"{printable(entries.file)} was replaced or changed while its images were read. Start again.")
    good = [i for i, found in enumerate(results) if not isinstance(found, InputError)]
    bad = {
        int(rows[i]): (entries.names[i], str(found)) for i, found in enumerate(results) if isinstance(found, InputError)
    }
    if bad and not skip_bad:
        name, why = next(iter(bad.values()))
        raise InputError(f"{name}: {why} Mend or remove it, or leave broken pictures out with --on-error skip.")
    decoded = [found for found in results if not isinstance(found, InputError)]
    origin = Path(entries.names[0]).parent if entries.file is None else entries.file
    check_sizes([image.shape for image, _ in decoded], origin)
    ids = [sample_id(image) for image, _ in decoded]
    images = [fit_channels(image, n_channels) for image, _ in decoded]
    notes = Counter[str](note for _, of_one in decoded for note in of_one)
    if not decoded:
        return Block(np.empty((0, 1, 1, n_channels), np.uint8), pd.DataFrame(), rows[:0], bad, notes)
    kept = replace(part_of(replace(entries, array=None), np.array(good)), warnings=())
    named = name_rows(np.stack(images), kept, origin, ids=ids)
    if "label" in named.table and (n := int((named.table["label"] == NO_LABEL).sum())):
        notes["without a label"] += n
    n_changed = sum(image.shape[2] != n_channels for image, _ in decoded)
    if n_changed:
        notes["converted to " + {1: "grey", 3: "colour"}[n_channels] + " for the critic"] += n_changed
    return Block(named.images, named.table, rows[good], bad, notes)
