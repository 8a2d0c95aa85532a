"""How far a run is, on standard error: what is done, how fast, and how long it will take."""

from __future__ import annotations

import sys
import time
from typing import TextIO

STEP_ON_SCREEN, STEP_IN_LOG = 0.5, 10.0
"""Seconds between two reports: on a screen they replace each other."""


class Progress:
    """Tells of one stage."""

    def __init__(self, stage: str, unit: str, whole: float, scale: float = 1, out: TextIO | None = None) -> None:
        """*whole* is how much there is to do; *scale* of it are one *unit*."""
        self._stage, self._unit, self._whole, self._scale = stage, unit, whole, scale
        self._out = sys.stderr if out is None else out
        self._screen = self._out.isatty()
        self._done, self._began = 0.0, time.monotonic()
        self._told = self._began

    def add(self, amount: float) -> None:
        """So much more is done."""
        self._done += amount
        now = time.monotonic()
        if now - self._told >= (STEP_ON_SCREEN if self._screen else STEP_IN_LOG):
            self._told = now
            self._tell(now)

    def end(self) -> None:
        """The stage is over."""
        self._tell(time.monotonic())
        if self._screen:
            print(file=self._out, flush=True)

    def _tell(self, now: float) -> None:
        speed = self._done / max(now - self._began, 1e-9)
        left = max(self._whole - self._done, 0) / speed if speed else 0
        words = (
            f"{self._stage}: {self._done / self._scale:,.0f} of {self._whole / self._scale:,.0f} {self._unit}, "
            f"{speed / self._scale:,.0f} a second, {left // 60:.0f} min {left % 60:02.0f} s left"
        )
        print(
            f"\r\x1b[K{words}" if self._screen else words, end="" if self._screen else "\n", file=self._out, flush=True
        )
