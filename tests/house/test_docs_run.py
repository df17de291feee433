"""Every code block that a reader can copy works. `tests/support/pages.py` says what a block's info string may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import run_page
from tests.support.root import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TIME_LIMIT = 200


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path) -> None:
    done = run_page(page, tmp_path, time_limit=TIME_LIMIT)
    assert done.returncode == 0, done.stdout


GOOD = """
```python
import asyncio
answer = 42
```
Text.

- a list

  ```python
  await asyncio.sleep(0)
  loop = asyncio.get_running_loop()
  ```

```python
assert asyncio.run(asyncio.sleep(0, answer)) == 42
```
```python
assert loop is asyncio.get_running_loop() or await asyncio.sleep(0)
```
```python file=shop/jobs.py
NAME = "shop"
```
```python
from shop.jobs import NAME
assert NAME == "shop" and __name__ == "__main__"
```
```python no-run
raise SystemExit(await something)
```
```sh
rm -rf / # never run
```
```sh run
test -f shop/jobs.py && python -c 'import asyncq'
```
```console
$ asyncq work --once
( an answer is no shell
```
```json
{ not ours
```
"""


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("\n\n```python\nx = 1\n1 / 0\n```\n", 'page.md", line 5'),
        ("```python\nawait missing\n```\n", "NameError"),
        ("```python no-run\ndef\n```\n", 'page.md", line 2'),
        ("```python file=a.py\ndef\n```\n", "SyntaxError"),
        ("```python\nimport asyncio\nasyncio.sleep(0)\n```\n", "never awaited"),
        ("```sh\nif true\n```\n", "page.md:2"),
        ("```sh run\nfalse | true\n```\n", "page.md:2"),
        ("```console\n$ (\n```\n", "page.md:2"),
    ],
)
def test_a_broken_page_is_found(text: str, complaint: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    done = run_page(page, tmp_path, time_limit=TIME_LIMIT)
    assert done.returncode != 0
    assert complaint in done.stdout


def test_a_good_page_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(GOOD)
    done = run_page(page, tmp_path, time_limit=TIME_LIMIT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("text", ["```python norun\n```\n", "```python\nx = 1\n"])
def test_a_page_that_cannot_be_understood_is_refused(text: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match=r"page\.md:"):
        run_page(page, tmp_path, time_limit=TIME_LIMIT)
