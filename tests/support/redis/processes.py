"""A child process that does not outlive its parent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["GuardedProcess"]

# A shell leaves a reader at the pipe from the parent, then becomes the program, so that `$$` is the program's pid. The
# pipe ends without a line only when the parent is dead. PR_SET_PDEATHSIG would need code between fork and exec, and
# kills the child when the thread ends that started it.
_LAUNCH = """
exec 3<&0; directory=$1; shift
{ read -r line <&3 || { kill -9 $$; rm -rf -- "$directory"; }; } &
exec "$@" </dev/null 3<&-
"""


class GuardedProcess:
    """A program that was started; its own session, so that Ctrl-C reaches the tests alone.

    Should the parent die, its directory is removed too.
    """

    def __init__(self, command: Sequence[str], directory: Path) -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, "guard", str(directory), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """The program's own."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs, or is frozen."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it as `kill -9` does, and return when it is gone."""
        assert self._process.stdin is not None
        if not self._process.stdin.closed:
            self._dismiss(self._process.stdin.fileno())
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let it stand still, with its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _dismiss(self, pipe: int) -> None:
        """Tell the guard that its work is done: the pid may soon be another's."""
        try:
            os.write(pipe, b"\n")
        except BrokenPipeError:
            return  # the guard is dead already
