"""Jobs in the memory of this process: for tests, for trying things out, for work that may be lost with the process."""

from asyncq.drivers.memory.driver import MemoryDriver

__all__ = ["MemoryDriver"]
