"""An alarm that goes off unless it is put off: till then, who waits for it needs no turn of Python's.

Linux's timerfd. A thread that woke up now and then to see for itself would each time have to wait for
the interpreter's lock, and a loop of short turns, which gives it away and takes it back all the time, lets
such a thread wait, and pays for waking it in vain. (os.timerfd_create comes with Python 3.13.)
"""

from __future__ import annotations

import ctypes
import os
import sys

_CLOCK_MONOTONIC = 1

# From read: how often it went off.
_COUNT = 8


class _Moment(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))

    @classmethod
    def of(cls, seconds: float) -> _Moment:
        return cls(int(seconds), max(int(seconds % 1 * 1e9), 1))  # all 0 would be never


class _Times(ctypes.Structure):
    _fields_ = (("again", _Moment), ("first", _Moment))


class Alarm:
    """Goes off `after` seconds after it was last put off, and again each `after` from then on.

    Raises OSError: the system has none.
    """

    def __init__(self, after: float) -> None:
        if sys.platform != "linux":
            raise OSError("there is no timerfd here")
        self.put_off_times = 0
        self._times = _Times(_Moment.of(after), _Moment.of(after))
        self._is_over = False
        self._libc = ctypes.PyDLL(None)  # its calls keep the lock: none of them waits
        self._number = int(self._libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC))
        if self._number < 0:
            raise OSError("the system has no timer left")
        if self._set(self._times) < 0:
            self.close()
            raise OSError("the system lets nobody set a timer")

    def put_off(self) -> None:
        """Not now. Never waits."""
        self.put_off_times += 1
        if not self._is_over:
            self._set(self._times)

    def wait(self) -> None:
        """Until it goes off, or is over. For one thread; it waits without the interpreter's lock."""
        if not self._is_over:
            os.read(self._number, _COUNT)

    def end(self) -> None:
        """Have it go off for ever, at once: whoever waits is let go. Call `close` when he is gone."""
        self._is_over = True
        self._set(_Times(_Moment.of(1e-3), _Moment.of(1e-6)))

    def close(self) -> None:
        """Nobody waits, or puts it off, any more."""
        os.close(self._number)

    def _set(self, times: _Times) -> int:
        return int(self._libc.timerfd_settime(self._number, 0, ctypes.byref(times), None))
