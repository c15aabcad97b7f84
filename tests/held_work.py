"""
Work of another process, held at one place by a named pipe: a test that interrupts it need not be quicker than it.
"""

import os
import time


class HeldWork:
    """
    A named pipe whose reader waits until the test lets it go on.

    Args:
        path (`Path`): where to make the pipe.
    """

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        self._end = None

    def wait_for_reader(self, process):
        """Waits until somebody reads the pipe, and makes him wait; fails if the process ends before."""
        while self._end is None:
            assert process.poll() is None, "the process ended before it came to what was to be interrupted"
            try:
                self._end = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody has opened it yet
                time.sleep(0.02)

    def let_go(self):
        """Ends the waiting, whoever is left to do it."""
        if self._end is not None:
            os.close(self._end)
            self._end = None
        self.path.unlink(missing_ok=True)


def wait_until(is_so, process):
    """Waits until something is so; fails if the process ends before."""
    while not is_so():
        assert process.poll() is None, "the process ended before it came to what was to be interrupted"
        time.sleep(0.02)
