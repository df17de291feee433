"""The job: read a file and return its checksum."""

from __future__ import annotations

import hashlib
from pathlib import Path

from asyncq import Job


class Checksum(Job, tries=2, timeout=600, keep_result=60, fail_on=FileNotFoundError):
    """`keep_result`: the program that asked has a minute to fetch what was found."""

    path: Path

    def handle(self) -> str:
        """No `async`: reading and hashing belongs in a thread."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
