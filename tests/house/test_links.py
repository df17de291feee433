"""Every link from one page to another leads somewhere, its anchor too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.root import ROOT

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^( *)(```|~~~).*?^\1\2$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as code hosts make them."""
    found: list[str] = []
    for heading in HEADING.finditer(FENCED.sub("", page.read_text(encoding="utf-8"))):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading["text"]).lower()
        found.append(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return set(found)


def broken(page: Path) -> Iterator[str]:
    """Yield the page's links that lead nowhere."""
    for link in LINK.finditer(FENCED.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link["target"].partition("#")
        if re.match(r"[a-z]+:", path):
            continue  # to the world outside, which a test does not ask
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link["target"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_the_page_leads_somewhere(page: Path) -> None:
    assert list(broken(page)) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# The page\n\n## What `it` is: a [link](other.md)\n\n[a](#the-page) [b](#what-it-is-a-link) [c](#none) "
        "[d](other.md)\n[e](https://example.org/x#y)\n\n"
        "```text\n# No heading\n[f](missing.md)\n```\n[g](page.md#no-heading)\n"
    )
    assert list(broken(page)) == ["other.md", "#none", "other.md", "page.md#no-heading"]
