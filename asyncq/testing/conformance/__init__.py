"""What a driver promises, as tests that anybody can run against a driver of their own.

    pytest --rootdir=. --pyargs asyncq.testing.conformance -o asyncio_mode=auto

with a `conftest.py` in the folder that this is typed in, whose fixture `backend` returns a `Backend`. The page
`docs/guide/writing-a-driver.md` shows all of it.
"""

from asyncq.testing.conformance.backend import Backend, eventually

__all__ = ["Backend", "eventually"]
