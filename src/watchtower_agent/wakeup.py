"""A flag that one thread raises and that others can wait for, together with file descriptors."""

from __future__ import annotations

import contextlib
import os
import select
import signal


class Wakeup:
    """A one-way flag: once set, it stays set, and ``fileno()`` is readable from then on.

    It takes no lock, unlike threading.Event, so a signal handler may set it: a handler runs in
    the main thread, which may just then be holding that lock.
    """

    def __init__(self) -> None:
        self._read_end, self._write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._is_set = False

    def set(self) -> None:
        """Raise the flag. May be called from a signal handler, and more than once."""
        self._is_set = True
        with contextlib.suppress(BlockingIOError):  # a full pipe is as readable as can be
            os.write(self._write_end, b"!")

    def set_on_signals(self, *numbers: int) -> None:
        """Raise the flag when one of these signals comes. To be called in the main thread.

        Python runs handlers between two steps of the main thread. A signal that comes just before
        that thread falls into a wait, or that the kernel gives to another thread, would not end
        the wait; the wakeup descriptor is written to at once.
        """
        signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, lambda *_: self.set())

    def is_set(self) -> bool:
        """Return whether the flag is up."""
        return self._is_set

    def wait(self, seconds: float) -> bool:
        """Wait until the flag is up, at most so long; return whether it is."""
        poll = select.poll()
        poll.register(self._read_end, select.POLLIN)
        # Rounded up: poll counts in whole milliseconds, and 0 would turn a wait into a spin.
        poll.poll(int(seconds * 1000) + 1)
        return self._is_set

    def fileno(self) -> int:
        """Return the descriptor to wait on; nobody reads from it."""
        return self._read_end

    def close(self) -> None:
        """Give the descriptors back."""
        os.close(self._read_end)
        os.close(self._write_end)
