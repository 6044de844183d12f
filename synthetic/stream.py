"""Random numbers by counter (Philox): every image has its own block of each stream, whatever else is drawn."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt


class Stream:
    """One block of random 64-bit words for every (image, purpose) of a data set's name and seed."""

    FACTORS, NOISE, CLUTTER, OCCLUSION = range(4)  # purposes; part of the file format: append only

    def __init__(self, spec_name: str, seed: int) -> None:
        name_key = int.from_bytes(hashlib.sha256(spec_name.encode()).digest()[:8], "little")
        self._bits = np.random.Philox(key=np.array([seed, name_key], dtype=np.uint64))
        self._state: Any = self._bits.state

    def words(self, image: int, purpose: int, n: int) -> npt.NDArray[np.uint64]:
        """Return the first ``n`` words of the block."""
        self._state["state"]["counter"][:] = (0, 0, image, purpose)
        self._state["buffer_pos"] = 4  # nothing buffered: start at the counter
        self._bits.state = self._state
        return self._bits.random_raw(n)

    def uniforms(self, image: int, purpose: int, n: int) -> npt.NDArray[np.floating]:
        """Return one value for each of the first ``n`` words: 53 random bits, evenly in [0, 1)."""
        return (self.words(image, purpose, n) >> np.uint64(11)) * 2.0**-53

    def normals(self, image: int, n: int) -> npt.NDArray[np.float32]:
        """Return ``n`` standard normal values for the noise of an image."""
        bits = self.words(image, self.NOISE, -(-n // 4)).view(np.uint16)[:n]
        return np.take(_normal_quantiles(), bits)


@cache
def _normal_quantiles() -> npt.NDArray[np.float32]:
    """Return 65,536 equally likely standard normal values: 16 random bits pick one.

    The largest is 4.3 standard deviations. In 8-bit images, where noise of 0.03 spans 8 grey levels, nothing of this
    can be seen; it is twice as fast as exact sampling.
    """
    from scipy.special import ndtri  # late: images are read without it

    return ndtri((np.arange(65536) + 0.5) / 65536).astype(np.float32)
