"""One command in a forked process: bounds on its memory and time, and a watch on what it starts and where it writes.

Everything is imported once, in the parent; each command then costs a fork. What the child does is seen from three
sides: by its exit code and words, by Python's audit events (processes started, sockets opened, files opened for
writing), and by a snapshot of the box that it works in.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import os
import pkgutil
import resource
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

BUG = 1
STARTS = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "pty.spawn", "socket.connect")
OUTSIDE = ("/dev/null", "/dev/tty", "/dev/shm/sem.")  # that anybody may open for writing
Hook = Callable[[], None]


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, or minus the signal; None where its time was up."""

    code: int | None
    stdout: str
    stderr: str
    seconds: float
    peak_mib: int
    events: list[str] = field(default_factory=list)

    @property
    def said(self) -> set[str]:
        """Its warnings, one a line."""
        return {line for line in self.stderr.splitlines() if line.startswith("warning:")}


def prepare() -> None:
    """Import all that commands import, and let libraries look at the machine, so that children find it done."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["MPLBACKEND"] = "agg"
    sys.dont_write_bytecode = True  # what Python itself keeps beside a user's module is not looked for
    import gan_probe
    import synthetic

    for package in (gan_probe, synthetic):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in ("onnx", "onnxruntime", "matplotlib.pyplot", "seaborn", "scipy.stats", "sklearn.svm", "pandas.io.json"):
        importlib.import_module(name)
    import joblib
    import torch
    from matplotlib import font_manager

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    joblib.cpu_count(only_physical_cores=True)  # starts a program, once
    font_manager.findfont("DejaVu Sans")
    from gan_probe.stats import clustering

    clustering.MAX_K, clustering.N_RESAMPLED = 6, 3  # it is reading and writing that is tried, not this
    gc.freeze()


def learn(modules: str) -> None:
    """Import what a child had to import, so that no later one has to."""
    for name in set(modules.split()) - sys.modules.keys():
        with suppress(ImportError):
            importlib.import_module(name)


def fork(
    words: list[str],
    box: Path,
    *,
    seconds: float = 60.0,
    memory_mib: int = 4096,
    before: Hook | None = None,
    during: Callable[[int], None] | None = None,
    learns: bool = False,
) -> Ended:
    """Run ``gan-probe WORDS`` in the folder ``box``.

    Parameters
    ----------
    before : callable, optional
        Called in the child before the command: installs hooks, sets limits.
    during : callable, optional
        Called in the parent with the child's process id, once it runs.
    learns : bool
        Import what the child imported, into the parent.
    """
    with TemporaryDirectory(prefix="ended-") as kept:
        held = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        pid = os.fork()
        if not pid:  # signals wait until the child is in its own hands: it must not unwind the parent's frames
            _child(words, box, Path(kept), memory_mib, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        started = time.monotonic()
        if during is not None:
            during(pid)
        status, usage, in_time = _wait(pid, started + seconds)
        texts = {
            name: (Path(kept) / name).read_bytes().decode(errors="replace")
            for name in ("stdout", "stderr", "events", "modules")
            if (Path(kept) / name).exists()
        }
    if learns:
        learn(texts.get("modules", ""))
    return Ended(
        os.waitstatus_to_exitcode(status) if in_time else None,
        texts.get("stdout", ""),
        texts.get("stderr", ""),
        time.monotonic() - started,
        usage.ru_maxrss // 1024,
        texts.get("events", "").splitlines(),
    )


def _wait(pid: int, until: float) -> tuple[int, resource.struct_rusage, bool]:
    """Wait for a process; kill it, and all that it started, when its time is up."""
    handle, in_time = os.pidfd_open(pid), True
    try:
        if not select.select([handle], [], [], max(0.0, until - time.monotonic()))[0]:
            in_time = False
            os.killpg(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
    finally:
        os.close(handle)
    return status, usage, in_time


def _child(words: list[str], box: Path, kept: Path, memory_mib: int, before: Hook | None) -> None:
    code = BUG
    try:
        os.setsid()
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(kept / name, os.O_CREAT | os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.chdir(box)
        (box / "tmp").mkdir(exist_ok=True)
        os.environ |= {"TMPDIR": str(box / "tmp"), "HOME": str(box / "tmp")}
        sys.path.insert(0, str(box))  # modules of the box can be imported, if anybody does
        sys.argv = ["gan-probe", *words]
        warnings.resetwarnings()
        for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", category)  # as Python starts
        signal.signal(signal.SIGINT, signal.default_int_handler)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        limit = _address_space() + memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        if before is not None:
            before()
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        _watch(os.open(kept / "events", os.O_CREAT | os.O_WRONLY | os.O_APPEND), (box.resolve(), kept))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT, signal.SIGTERM))
        code = _command()
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
        here = {name for name in sys.modules if not (box / f"{name}.py").exists()}
        (kept / "modules").write_text(" ".join(here))
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    finally:
        os._exit(_flushed(code))


def _flushed(code: int) -> int:
    """Return the exit code that Python would end with after it wrote what is left to its streams."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            code = 120
            with suppress(OSError):
                os.write(2, f"Exception ignored in: {stream.name}\n{error!r}\n".encode())
    return code


def _command() -> int:
    from gan_probe.cli import main

    try:
        main()
    except SystemExit as end:
        return int(end.code) if isinstance(end.code, int) else 0 if end.code is None else BUG
    except BaseException:  # noqa: BLE001 (what Python itself does with it: a traceback, exit code 1)
        sys.excepthook(*sys.exc_info())
        return BUG
    return 0


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _watch(log: int, allowed: tuple[Path, Path]) -> None:
    """Note what is started, and what is opened for writing outside of the box and of what is kept of it."""
    inside, writes = tuple(f"{folder}/" for folder in allowed), os.O_WRONLY | os.O_RDWR

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in STARTS:
            os.write(log, f"{event} {args[:2]!r}\n".encode())
        elif event == "open" and isinstance(args[0], str | bytes) and int(str(args[2] or 0)) & writes:
            path = os.path.abspath(os.fsdecode(args[0]))  # noqa: PTH100 (of a name that may lead anywhere)
            if not path.startswith((*inside, *OUTSIDE)):
                os.write(log, f"open for writing {path}\n".encode())
        elif event == "exec" and str(getattr(args[0], "co_filename", "")).startswith(inside[0]):
            os.write(log, f"exec {args[0]!r}\n".encode())
        elif event == "pickle.find_class" and args[0] not in ("numpy", "numpy.dtypes", "collections"):
            os.write(log, f"unpickled {args!r}\n".encode())

    sys.addaudithook(hook)


def snapshot(box: Path) -> dict[str, str]:
    """Return everything below a folder, by its path: what it is, and a digest of what it holds."""
    found = {}
    for path in sorted(box.rglob("*")):
        name = os.fsencode(path.relative_to(box)).decode(errors="backslashreplace")
        if path.is_symlink():
            found[name] = f"link to {os.fsencode(path.readlink())!r}"
        elif path.is_file():
            found[name] = hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield an empty folder, in memory where the system offers that."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(prefix="campaign-", dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)
