"""Writes the pages, and removes those that are no longer made."""

from __future__ import annotations

from tests.support.reference.pages import pages
from tests.support.root import ROOT

folder = ROOT / "docs" / "reference"
folder.mkdir(exist_ok=True)
made = pages()
for path in folder.glob("*.md"):
    if path.name not in made:
        path.unlink()
for name, text in made.items():
    (folder / name).write_text(text, encoding="utf-8")
