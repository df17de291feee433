"""`asyncq make`: files where discovery finds them, templates that a team can change, nothing overwritten."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import cast

import pytest

from tests.cli.projects import Project, environment, project_with

JOB = "import asyncq\n\n\nclass Old(asyncq.Job):\n    def handle(self) -> None: ...\n"
APP = "from asyncq import AsyncQ\n\nqueue = AsyncQ(jobs=['shop.work'])\n"
NAMED = "[tool.asyncq]\njobs = ['shop.work']\n"


@pytest.fixture
def fresh(tmp_path: Path) -> Generator[Project]:
    with project_with(tmp_path) as project:
        yield project


def named(value: object) -> str:
    """Name a case after its files or its arguments."""
    return " ".join(cast("Iterable[str]", value)) or "nothing" if isinstance(value, (dict, tuple)) else ""


def known(project: Project) -> list[str]:
    """Return the jobs that a worker of the project would find."""
    return [row["job"] for row in project.json("about")["jobs"]]


# --- jobs -------------------------------------------------------------------------------------------------------------


def test_make_job_writes_a_job_that_can_be_dispatched_and_worked_at_once(fresh: Project) -> None:
    answer = fresh.ok("make", "job", "SendInvoice")
    assert answer.out == "jobs/send_invoice.py\n"
    assert "dispatch it with `await SendInvoice(…).dispatch()`" in answer.err
    fresh.ok("dispatch", "SendInvoice", '{"subject": "milk", "count": 2}')
    assert "SendInvoice: milk (2)" in fresh.work().out
    assert "    async def handle(self) -> None:" in (fresh.folder / "jobs/send_invoice.py").read_text()


def test_make_job_can_write_one_for_a_thread(fresh: Project) -> None:
    fresh.ok("make", "job", "SendInvoice", "--sync")
    assert "\n    def handle(self) -> None:" in (fresh.folder / "jobs/send_invoice.py").read_text()
    fresh.ok("dispatch", "SendInvoice", '{"subject": "milk"}')
    assert "SendInvoice: milk (1)" in fresh.work().out


@pytest.mark.parametrize("name", ["SendHTTPMail", "send_http_mail", "send-http-mail"])
def test_a_name_may_be_written_in_any_way(fresh: Project, name: str) -> None:
    assert fresh.ok("make", "job", name).out == "jobs/send_http_mail.py\n"
    assert known(fresh)[0].lower() == "jobs.send_http_mail:sendhttpmail"


@pytest.mark.parametrize(
    ("files", "path", "job"),
    [
        ({}, "jobs/new.py", "jobs.new:New"),
        ({"jobs.py": JOB}, "jobs.py", "jobs:New"),
        ({"tasks.py": JOB}, "tasks.py", "tasks:New"),
        ({"jobs/old.py": JOB}, "jobs/new.py", "jobs.new:New"),
        ({"jobs/__init__.py": JOB}, "jobs/new.py", "jobs.new:New"),
        ({"jobs.py": "NOTHING = 1\n"}, "jobs.py", "jobs:New"),
        ({"shop/__init__.py": ""}, "shop/jobs/new.py", "shop.jobs.new:New"),
        ({"shop/__init__.py": "", "shop/jobs.py": JOB}, "shop/jobs.py", "shop.jobs:New"),
        ({"shop/__init__.py": "", "bank/__init__.py": ""}, "jobs/new.py", "jobs.new:New"),
        ({"src/shop/__init__.py": ""}, "src/shop/jobs/new.py", "shop.jobs.new:New"),
        ({"src/shop/__init__.py": "", "src/shop/jobs/old.py": JOB}, "src/shop/jobs/new.py", "shop.jobs.new:New"),
        ({"pyproject.toml": NAMED, "shop/work/__init__.py": JOB}, "shop/work/new.py", "shop.work.new:New"),
        ({"pyproject.toml": NAMED, "shop/work.py": JOB}, "shop/work.py", "shop.work:New"),
        ({"pyproject.toml": NAMED, "shop/work/old.py": JOB}, "shop/work/new.py", "shop.work.new:New"),
        ({"app.py": APP, "shop/work/__init__.py": JOB}, "shop/work/new.py", "shop.work.new:New"),
    ],
    ids=named,
)
def test_a_job_is_written_where_a_worker_finds_it(fresh: Project, files: dict[str, str], path: str, job: str) -> None:
    for name, text in files.items():
        fresh.write(name, text)
    facts = fresh.json("make", "job", "New")
    assert facts == {"kind": "job", "name": "New", "path": path, "joined": path in files}
    assert job in known(fresh)


def test_a_job_joins_the_one_module_that_has_all_and_leaves_the_rest_as_it_was(fresh: Project) -> None:
    fresh.write("jobs.py", f'"""All our jobs."""\n\nimport os\n{JOB}')
    answer = fresh.ok("make", "job", "New")
    assert "New was added to jobs.py" in answer.err
    text = (fresh.folder / "jobs.py").read_text()
    assert text.startswith('"""All our jobs."""\n\nimport os\nimport asyncq\nfrom asyncq import Job\n')
    assert text.count("class Old") == text.count("class New") == 1


def test_nothing_is_overwritten_unless_somebody_says_so(fresh: Project) -> None:
    fresh.write("jobs/new.py", JOB)
    answer = fresh.run("make", "job", "New")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.endswith("jobs/new.py is there already; --force replaces it\n")
    assert (fresh.folder / "jobs/new.py").read_text() == JOB
    fresh.ok("make", "job", "New", "--force")
    assert "class New(Job" in (fresh.folder / "jobs/new.py").read_text()


@pytest.mark.parametrize("options", [(), ("--force",)], ids=["plain", "force"])
def test_a_class_is_never_taken_out_of_a_module(fresh: Project, options: tuple[str, ...]) -> None:
    fresh.write("jobs.py", JOB)
    answer = fresh.run("make", "job", "Old", *options)
    assert answer.code == 1
    assert "jobs.py defines Old already; take that out of it, or choose another name" in answer.err
    assert (fresh.folder / "jobs.py").read_text() == JOB


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ((), 2, "say what to make, and how it is called: asyncq make job SendMail"),
        (("job",), 2, "say what to make"),
        (("nonsense", "New"), 2, "nonsense"),
        (("job", "billing/New"), 2, "'billing/New' cannot be the name of a class"),
        (("job", "1st"), 2, "'1st' cannot be the name of a class"),
        (("job", "class"), 0, ""),
        (("job", "None"), 2, "'None' cannot be the name of a class"),
        (("job", "TestMail"), 2, "jobs/test_mail.py would be taken for a test, and not be read"),
        (("middleware", "New", "--sync"), 2, "--sync is for jobs"),
        (("job", "New", "--publish"), 2, "--publish copies templates"),
        (("test", "Nothing"), 2, "no job is called 'Nothing'"),
    ],
    ids=named,
)
def test_what_cannot_be_made_is_wrong_usage(fresh: Project, arguments: tuple[str, ...], code: int, said: str) -> None:
    answer = fresh.run("make", *arguments)
    assert answer.code == code
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_a_module_that_cannot_be_read_is_named_with_the_reason(fresh: Project) -> None:
    fresh.write("jobs.py", f"{JOB}\nimport asyncio\nasyncio.run(asyncio.sleep(0))\n")
    answer = fresh.run("make", "job", "New")
    assert answer.code == 2
    assert "jobs.py was not imported: line 8 calls asyncio.run()" in answer.err


# --- middleware, tests ------------------------------------------------------------------------------------------------


def test_make_middleware_writes_one_that_runs_around_a_job(fresh: Project) -> None:
    assert fresh.ok("make", "middleware", "LogSlow").out == "middleware/log_slow.py\n"
    fresh.write(
        "jobs.py",
        "from asyncq import Job\nfrom middleware.log_slow import LogSlow\n\n\n"
        "class Around(Job, middleware=[LogSlow()]):\n    async def handle(self) -> None:\n        print('inside')\n",
    )
    fresh.ok("dispatch", "Around")
    answer = fresh.work()
    assert answer.out == "inside\n"
    assert answer.err.index("LogSlow: before") < answer.err.index("LogSlow: after")


def test_a_middleware_joins_the_module_that_has_all(fresh: Project) -> None:
    fresh.write("src/shop/__init__.py", "")
    fresh.write("src/shop/jobs.py", JOB)
    fresh.write("src/shop/middleware.py", '"""Ours."""\n')
    assert fresh.ok("make", "middleware", "LogSlow").out == "src/shop/middleware.py\n"
    text = (fresh.folder / "src/shop/middleware.py").read_text()
    assert text.startswith('"""Ours."""\n\nfrom dataclasses import dataclass\n')
    assert "@dataclass(frozen=True)\nclass LogSlow:" in text


@pytest.mark.parametrize(
    ("job", "name", "code"),
    [
        ("class Good(Job, queue='mail'):\n    a: str\n    b: list[int]\n    def handle(self) -> None: ...", "Good", 0),
        ("class Far(Job, connection='reports'):\n    def handle(self) -> None: ...", "Far", 0),
        ("class Bad(Job):\n    async def handle(self) -> None:\n        raise ValueError('no')", "Bad", 1),
        ("@job\nasync def send_it(to: str, *, often: int) -> None: ...", "send_it", 0),
        ("class Out:\n    class In(Job, name='inner'):\n        def handle(self) -> None: ...", "inner", 0),
    ],
    ids=["fields", "connection", "failing", "function", "nested"],
)
def test_make_test_writes_a_test_that_tells_a_good_job_from_a_bad_one(
    fresh: Project, job: str, name: str, code: int
) -> None:
    fresh.write("jobs.py", f"from asyncq import Job, job\n\n\n{job}\n")
    path = fresh.ok("make", "test", name).out.strip()
    assert path.startswith("tests/test_")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "ignore", path]
    done = subprocess.run(
        command, cwd=fresh.folder, env=environment({}), capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stdout
    assert ("ValueError: no" in done.stdout) is bool(code)


def test_a_test_whose_arguments_nobody_can_guess_says_so(fresh: Project) -> None:
    fresh.write("jobs.py", "from uuid import UUID\nfrom asyncq import Job\n\n\nclass By(Job):\n    key: UUID\n")
    answer = fresh.ok("make", "test", "By")
    assert "fill in the arguments that are `...`" in answer.err
    assert "By(key=...)" in (fresh.folder / "tests/test_by.py").read_text()


# --- templates --------------------------------------------------------------------------------------------------------


def test_templates_are_copied_into_the_project_and_win_there(fresh: Project) -> None:
    answer = fresh.ok("make", "--publish")
    assert answer.out.split() == [f"asyncq_templates/{kind}.py.txt" for kind in ("job", "middleware", "test")]
    template = fresh.folder / "asyncq_templates/job.py.txt"
    template.write_text(f"# Of our team.\n{template.read_text()}")
    fresh.ok("make", "job", "New")
    assert (fresh.folder / "jobs/new.py").read_text().startswith("# Of our team.\n")


def test_a_template_that_was_changed_is_left_alone(fresh: Project) -> None:
    fresh.write("asyncq_templates/job.py.txt", "class $name: ...\n")
    rows = fresh.json("make", "--publish")
    assert [row["written"] for row in rows] == [False, True, True]
    again = fresh.ok("make", "job", "--publish")
    assert again.out == ""
    assert "job.py.txt is there already, and was left as it is; --force replaces it" in again.err
    assert (fresh.folder / "asyncq_templates/job.py.txt").read_text() == "class $name: ...\n"
    assert fresh.ok("make", "job", "--publish", "--force").out == "asyncq_templates/job.py.txt\n"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("class $nmae: ...\n", "job.py.txt: nothing is known of $nmae; there are $define, $name, $snake"),
        ("class $: ...\n", "job.py.txt makes no Python file: Invalid placeholder"),
        ("class $name(:\n", "job.py.txt makes no Python file:"),
    ],
    ids=["word", "dollar", "syntax"],
)
def test_a_template_with_a_mistake_is_refused_before_a_file_is_written(
    fresh: Project, template: str, said: str
) -> None:
    fresh.write("asyncq_templates/job.py.txt", template)
    answer = fresh.run("make", "job", "New")
    assert (answer.code, answer.out) == (3, "")
    assert said in answer.err
    assert not (fresh.folder / "jobs").exists()


def test_make_on_a_terminal_says_the_path_and_the_next_step_without_colours(fresh: Project) -> None:
    answer = fresh.at_terminal("make", "job", "New")
    assert (answer.code, "\x1b" in answer.out) == (0, False)
    assert answer.out.startswith("jobs/new.py\njobs/new.py was written; dispatch it with")
