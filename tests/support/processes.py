"""A child process, with the processes below it, that does not outlive its parent."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.family import descendants, runs
from tests.support.waiting import until

__all__ = ["GuardedProcess"]

GONE = 20.0
"""Seconds until the processes of a killed one have ended; the system may be slow to take back their memory."""

# A shell leaves a reader at the pipe from the parent, then becomes the program, so that `$$` is the program's pid. The
# pipe ends without a line only when the parent is dead. PR_SET_PDEATHSIG would need code between fork and exec, and
# kills the child when the thread ends that started it. The reader is started by a shell between, which ends at once: it
# is not to be frozen or killed with the program's own children, which may be in sessions of their own.
_LAUNCH = """
exec 3<&0; directory=$1 farewell=$2; shift 2
children() { ps -A -o pid=,ppid= | while read -r pid parent; do [ "$parent" != $$ ] || echo "$pid"; done; }
finish() {
    kill -STOP $$; kill -9 $(children) $$
    cd "$directory" && eval "$farewell"
    # The killed may write for a moment yet.
    for _ in 1 2 3 4 5 6 7 8 9 10; do rm -rf -- "$directory" && break; sleep 1; done
}
( { read -r line <&3 || finish; } & )
exec "$@" </dev/null 3<&-
"""


class GuardedProcess:
    """A program that was started; its own session, so that Ctrl-C reaches the tests alone.

    Should the parent die, its directory is removed too, after `farewell`, a line of shell that is run there.
    """

    def __init__(self, command: Sequence[str], directory: Path, farewell: str = "") -> None:
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCH, "guard", str(directory), farewell, *command],
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
        """End it and the processes below it as `kill -9` does, and return when all are gone."""
        family = self._froze() if self.alive else []
        self._dismiss()
        for pid in family:
            _send(pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        until(lambda: not any(map(runs, family)), GONE, "the end of a killed process and those below it")

    def stop(self, number: signal.Signals, seconds: float = GONE) -> None:
        """Ask it by a signal to end, and return when it has."""
        self._process.send_signal(number)
        self._process.wait(seconds)
        self._dismiss()

    def freeze(self) -> None:
        """Let it and the processes below it stand still, with their connections open."""
        self._froze()

    def thaw(self) -> None:
        """Let all of them go on."""
        for pid in [*descendants(self.pid), self.pid]:
            _send(pid, signal.SIGCONT)

    def _froze(self) -> list[int]:
        """Freeze the program, so that it starts no more, then those below it, which are returned."""
        _send(self.pid, signal.SIGSTOP)
        family = descendants(self.pid)
        for pid in family:
            _send(pid, signal.SIGSTOP)
        return family

    def _dismiss(self) -> None:
        """Tell the guard that its work is done: the pid may soon be another's."""
        pipe = self._process.stdin
        assert pipe is not None
        if pipe.closed:
            return
        try:
            os.write(pipe.fileno(), b"\n")
        except BrokenPipeError:
            return  # the guard is dead already
        finally:
            pipe.close()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself
