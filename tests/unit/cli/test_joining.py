"""A definition is put behind the end of a module, with the imports that it lacks."""

from __future__ import annotations

import pytest

from asyncq.cli.joining import defined_in, joined

NEW = '"""New."""\n\nimport os\nfrom asyncq import Job, field\n\n\n@final\nclass New(Job): ...\n'
CLASS = "\n\n@final\nclass New(Job): ...\n"


ALL = "import os\nfrom asyncq import (\n    Job,\n    field,\n)\n"


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ("", "import os\nfrom asyncq import Job, field\n"),
        ("x = 1\n", "import os\nfrom asyncq import Job, field\n\n\nx = 1\n"),
        ('"""Old."""\n', '"""Old."""\n\nimport os\nfrom asyncq import Job, field\n'),
        ("from asyncq import Job\n\nx = 1\n", "from asyncq import Job\nimport os\nfrom asyncq import field\n\nx = 1\n"),
        (ALL, ALL),
        (
            "import os as o\nfrom asyncq import field, Job\n",
            "import os as o\nfrom asyncq import field, Job\nimport os\n",
        ),
        (
            "x = 1\nimport os, sys\nfrom asyncq import field, Job",
            "x = 1\nimport os, sys\nfrom asyncq import field, Job\n",
        ),
        ("def f():\n    import os\n", "import os\nfrom asyncq import Job, field\n\n\ndef f():\n    import os\n"),
    ],
    ids=["empty", "code", "docstring", "some", "all", "other-name", "late", "inner"],
)
def test_imports_come_once_and_the_definition_at_the_end(there: str, expected: str) -> None:
    made = joined(there, NEW)
    assert made == expected + CLASS
    compile(made, "made", "exec")


def test_what_a_module_says_of_the_future_is_its_own_business() -> None:
    made = joined("x = 1\n", "from __future__ import annotations\n\n\ny = 2\n")
    assert made == "x = 1\n\n\ny = 2\n"


def test_relative_imports_are_told_apart() -> None:
    made = joined("from .a import b\n", "from ..a import b\nfrom .a import b\n\n\ny = b\n")
    assert made == "from .a import b\nfrom ..a import b\n\n\ny = b\n"


def test_a_module_defines_its_classes_and_functions() -> None:
    assert defined_in("class A:\n    class B: ...\ndef c(): ...\nasync def d(): ...\ne = 1\n") == {"A", "c", "d"}
