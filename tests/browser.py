"""A real Chromium, spoken to through a pipe in its DevTools protocol: it needs no driver and no port."""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium")
_HOLDER = find_spec("axe_playwright_python")  # only the file of axe-core that it ships is used
AXE = Path((_HOLDER and _HOLDER.origin) or "").with_name("axe.min.js") if _HOLDER else Path("axe.min.js")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-pipe",
    "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip
PATIENCE_S = 60.0


class Tab:
    """One page in a browser: what it logged, what it asked for, and hands to use it with."""

    def __init__(self, write: int, read: int) -> None:
        self._write, self._read, self._buffer = write, read, b""
        self._numbers = itertools.count(1)
        self.logged: list[str] = []
        self.requests: list[str] = []
        self._session = ""
        self._loaded = False

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; events that come before it are kept."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select.select([self._read], [], [], PATIENCE_S)[0], "the browser does not answer"
            found = os.read(self._read, 1 << 20)
            assert found, "the browser is gone"
            self._buffer += found
        message, _, self._buffer = self._buffer.partition(b"\0")
        event = json.loads(message)
        self._note(event.get("method", ""), event.get("params", {}))
        return event

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Log.entryAdded":
            self.logged.append(told["entry"]["text"])
        elif method == "Runtime.consoleAPICalled":
            self.logged.append(str([a.get("value", a.get("description")) for a in told["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.logged.append(str(told["exceptionDetails"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif method == "Page.loadEventFired":
            self._loaded = True

    def attach(self) -> None:
        """Take the browser's first page."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def open(
        self, page: Path, *, width: int = 1280, height: int = 800, scheme: str = "light", script: bool = True
    ) -> None:
        """Show a page in a window of that size, and wait until its explorer is there, if it has one."""
        self.logged.clear()
        self.requests.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.ask("Emulation.setScriptExecutionDisabled", value=not script)
        self._loaded = False
        self.ask("Page.navigate", url=page.as_uri())
        while not self._loaded:
            self._next()
        if script:
            self.until("!document.getElementById('explorer') || 'ready' in document.getElementById('explorer').dataset")

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript is."""
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE_S
        while not self.value(f"Boolean({expression})"):
            assert time.monotonic() < end, f"never: {expression}; logged: {self.logged}"

    def box(self, selector: str) -> dict[str, float]:
        """Scroll an element into view, and return where it is on the screen."""
        found = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect();"
            " return {x: b.x, y: b.y, width: b.width, height: b.height}; })()"
        )
        assert isinstance(found, dict)
        return found

    def mouse(self, kind: str, x: float, y: float) -> None:
        """Move, press or release the mouse."""
        buttons = {"mouseMoved": "none"}.get(kind, "left")
        self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=buttons, clickCount=1)

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Press at the first point, move along the others and let go."""
        self.mouse("mousePressed", *points[0])
        for x, y in points[1:]:
            self.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.mouse("mouseReleased", *points[-1])

    def click(self, selector: str) -> None:
        """Click in the middle of an element."""
        b = self.box(selector)
        self.drag([(b["x"] + b["width"] / 2, b["y"] + b["height"] / 2)])

    def press(self, *keys: str) -> None:
        """Press keys, one after another."""
        for key in keys:
            text = {"text": key if len(key) == 1 else "\r"} if len(key) == 1 or key == "Enter" else {}
            codes = {"Enter": 13, "Tab": 9, " ": 32, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39}
            code = codes.get(key, ord(key.upper()) if len(key) == 1 else 40)
            self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
            self.ask("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def faults(self) -> list[str]:
        """Return what axe-core finds on the page, all of it unfolded: serious and moderate, rule and place."""
        self.value("for (const part of document.querySelectorAll('details')) part.open = true")
        self.value(f"{AXE.read_text(encoding='utf-8')}\n; 0")
        found = self.value("axe.run(document, {resultTypes: ['violations']}).then((r) => r.violations)")
        return [
            f"{rule['impact']}: {rule['id']}: {node['target']} {node['html'][:200]}"
            for rule in found
            if rule["impact"] != "minor"
            for node in rule["nodes"]
        ]

    def downloads_to(self, folder: Path) -> None:
        """Let downloads go to a folder."""
        self.ask("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def picture(self, out: Path, *, whole: bool = False) -> None:
        """Save what is seen as PNG; ``whole``: the page from top to bottom."""
        data = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        out.write_bytes(base64.b64decode(data))

    def paper(self, out: Path) -> None:
        """Save the page as it is printed on A4."""
        out.write_bytes(base64.b64decode(self.ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"]))


@contextmanager
def browser(profile: Path) -> Iterator[Tab]:
    """Start a browser, yield its tab, and end it."""
    assert CHROMIUM
    to_read, we_write = os.pipe()
    we_read, to_write = os.pipe()

    def pipes() -> None:  # the browser reads from descriptor 3 and writes to 4
        kept = os.dup(to_read), os.dup(to_write)
        os.dup2(kept[0], 3)
        os.dup2(kept[1], 4)

    process = subprocess.Popen(
        [CHROMIUM, *FLAGS, f"--user-data-dir={profile}"], preexec_fn=pipes, close_fds=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(to_read)
    os.close(to_write)
    try:
        tab = Tab(we_write, we_read)
        tab.attach()
        yield tab
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE_S)
        os.close(we_write)
        os.close(we_read)
