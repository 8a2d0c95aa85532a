"""A thread of a process that works in the background, started when it is first needed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """One thread that runs a function; where it has ended, by a fault too, the next need starts it anew."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        """Nothing is started yet: a server forks, and threads do not come along."""
        self._name = name
        self._run = run
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def need(self) -> None:
        """Start the thread, where none runs.

        Raises:
            RuntimeError: the machine has no thread left; the next need tries again.
        """
        with self._starting:
            if not self.runs:
                thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                thread.start()
                self._thread = thread

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def begun(self) -> bool:
        """Whether it was ever started."""
        return self._thread is not None

    def join(self, seconds: float) -> None:
        """Wait so long until it has ended."""
        if self._thread is not None:
            self._thread.join(seconds)
