"""Bare `asyncq work` finds what a project has, wherever it lies, and says exactly what is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.cli.projects import Project, environment, project_with

JOB = """
from asyncq import Job


class Hello(Job):
    async def handle(self) -> None:
        open("hello.txt", "a").write("hello\\n")
"""
APP = "from asyncq import AsyncQ\n\n{name} = AsyncQ(name={text!r})\n"


@pytest.fixture
def bare(tmp_path: Path) -> Generator[Project]:
    with project_with(tmp_path) as project:
        yield project


def app(name: str) -> str:
    return APP.format(name=name, text=name)


def hello(project: Project) -> int:
    """Dispatch the job, work, and return how often it ran."""
    project.ok("dispatch", "Hello")
    project.work()
    return (project.folder / "hello.txt").read_text().count("hello")


@pytest.mark.parametrize(
    ("file", "module"),
    [
        ("jobs.py", "jobs"),
        ("tasks.py", "tasks"),
        ("jobs/hello.py", "jobs.hello"),
        ("src/jobs.py", "jobs"),
        ("src/shop/jobs.py", "shop.jobs"),
        ("shop/jobs.py", "shop.jobs"),
        ("shop/inner/tasks.py", "shop.inner.tasks"),
        ("app/jobs.py", "app.jobs"),
        ("main.py", "main"),
        ("producer.py", "producer"),
        ("src/producer.py", "producer"),
        ("shop/api.py", "shop.api"),
    ],
)
def test_jobs_are_found_where_one_would_put_them(bare: Project, file: str, module: str) -> None:
    text = JOB + "\n" + app("queue") if file == "main.py" else JOB
    bare.write(file, text)
    folder = (bare.folder / file).parent
    while folder not in (bare.folder, bare.folder / "src"):
        (folder / "__init__.py").touch()
        folder = folder.parent
    assert [row["job"] for row in bare.json("about")["jobs"]] == [f"{module}:Hello"]
    assert hello(bare) == 1


def test_a_folder_below_the_root_means_the_same_project(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    (bare.folder / "deep" / "down").mkdir(parents=True)
    answer = bare.run("dispatch", "Hello", cwd="deep/down")
    assert answer.code == 0, answer
    assert bare.size().ready == 1


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("queues.py", "queue in queues (queues.py)"),
        ("app/main.py", "queue in app.main (app/main.py)"),
        ("src/shop/worker.py", "queue in shop.worker (src/shop/worker.py)"),
        ("shop/__init__.py", "queue in shop (shop/__init__.py)"),
    ],
)
def test_the_app_is_found_and_it_is_said_where(bare: Project, file: str, said: str) -> None:
    bare.write(file, app("queue"))
    if "/" in file:
        (bare.folder / file).with_name("__init__.py").touch()
    facts = bare.json("about")
    assert facts["app"] == said
    assert facts["name"] == "queue"


def test_of_two_apps_in_two_files_the_likelier_file_wins_and_each_can_be_named(bare: Project) -> None:
    bare.write("main.py", app("second"))
    bare.write("queues.py", app("first"))
    assert bare.json("about")["name"] == "first"
    assert bare.json("about", "--app", "main:second")["name"] == "second"
    assert bare.json("about", "--app", "main.py")["name"] == "second"
    assert bare.json("about", ASYNCQ_APP="main")["name"] == "second"
    bare.write("pyproject.toml", "[tool.asyncq]\napp = 'main:second'\n")
    assert bare.json("about")["app"] == "second in main, named by [tool.asyncq] app"
    assert bare.json("about", ASYNCQ_APP="queues:first")["app"] == "first in queues, named by ASYNCQ_APP"
    assert bare.json("about", "--app", "main:second", ASYNCQ_APP="queues:first")["app"].endswith("named by --app")


def test_two_apps_among_the_jobs_are_refused(bare: Project) -> None:
    bare.write("jobs.py", JOB + app("one") + app("two"))
    answer = bare.run("work", "--once")
    assert answer.code == 3
    assert "several AsyncQ apps were built: " in answer.err
    assert "one in jobs" in answer.err
    assert "two in jobs" in answer.err
    assert "--app or [tool.asyncq] app" in answer.err


def test_named_jobs_replace_the_search(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    bare.write("other.py", JOB.replace("Hello", "Other"))
    bare.write("pyproject.toml", "[tool.asyncq]\njobs = ['other']\n")
    assert [row["job"] for row in bare.json("about")["jobs"]] == ["other:Other"]
    assert [row["job"] for row in bare.json("about", ASYNCQ_JOBS="jobs, other")["jobs"]] == [
        "jobs:Hello",
        "other:Other",
    ]


def test_a_project_without_jobs_is_told_so(bare: Project) -> None:
    answer = bare.work()
    assert "note         no jobs were found; name their modules: jobs = [...] in [tool.asyncq]" in answer.err
    refused = bare.run("dispatch", "Hello")
    assert refused.code == 2
    assert "no jobs were found at all; `asyncq about` says where asyncq looked" in refused.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# asyncq\nimport nosuchlibrary\n", ("No module named 'nosuchlibrary'", "line 2", "install it")),
        ("# asyncq\n\n1 / 0\n", ("ZeroDivisionError: division by zero", "line 3", "correct it there")),
        ("# asyncq\ndef f(:\n", ("SyntaxError", "line 2", "correct it there")),
        ("# asyncq\nraise SystemExit(1)\n", ("ended the program while it was imported", "line 2", "__main__")),
        (JOB.replace("Job)", "Job, tryes=3)"), ("tryes", "jobs.py, line 5", "correct it there")),
    ],
    ids=["library", "error", "syntax", "exit", "setting"],
)
def test_a_job_module_that_cannot_be_imported_is_named_with_its_line(
    bare: Project, text: str, said: tuple[str, ...]
) -> None:
    bare.write("jobs.py", text)
    for command in (("work", "--once"), ("dispatch", "Hello"), ("about",)):
        answer = bare.run(*command)
        assert (answer.code, answer.out) == (3, "")
        assert answer.err.startswith("error: job module 'jobs' ")
        assert f"{bare.folder}/jobs.py" in answer.err
        assert all(part in answer.err for part in said), answer.err
        assert "Traceback" not in answer.err


def test_doctor_goes_on_where_the_app_cannot_be_imported(bare: Project) -> None:
    bare.write("jobs.py", "import asyncq\n1 / 0\n")
    checks = bare.json("doctor", code=1)
    assert [check["check"] for check in checks if check["status"] == "problem"] == ["app"]
    assert any(check["check"] == "python" for check in checks)


def test_queues_can_be_looked_at_although_a_job_module_is_broken(bare: Project) -> None:
    bare.write("queues.py", app("queue"))
    bare.write("jobs.py", "import asyncq\n1 / 0\n")
    assert bare.json("size") == []
    assert bare.run("work", "--once").code == 3


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("nowhere", "the app of --app 'nowhere' does not exist: no module is called 'nowhere'"),
        ("queues:missing", "queues has no 'missing'; write queues:queue"),
        ("queues:number", "'number' is a int, not an AsyncQ; write queues:queue"),
        ("empty", "no AsyncQ object is in that module"),
    ],
)
def test_an_app_that_is_not_there_is_refused_with_the_one_that_is(bare: Project, option: str, said: str) -> None:
    bare.write("queues.py", app("queue") + "number = 1\n")
    bare.write("empty.py", "")
    answer = bare.run("size", "--app", option)
    assert answer.code == 3
    assert said in answer.err


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("ulr = 'memory://'", "[tool.asyncq] has an unknown key 'ulr'; did you mean 'url'?"),
        ("url = 1", "[tool.asyncq] url takes a text, not 1"),
        ("jobs = [1]", "jobs takes a list of module names"),
        (
            "default = 'x'\nconnections.y = 'memory://'",
            "default='x' ([tool.asyncq] default) is none of the connections; there are y",
        ),
        (
            "connections.y.leese = 3\nconnections.y.url = 'memory://'",
            "unknown option 'leese'; did you mean 'lease'? (set by [tool.asyncq.connections.y] leese)",
        ),
        ("connections.y.lease = 3", "connection 'y' has no url, only what [tool.asyncq.connections.y] lease says"),
        ("url = 'memory://", "is no valid TOML"),
    ],
    ids=["key", "text", "jobs", "default", "connection-key", "no-url", "toml"],
)
def test_a_mistake_in_the_configuration_is_code_3(bare: Project, table: str, said: str) -> None:
    bare.write("pyproject.toml", f"[tool.asyncq]\n{table}\n")
    answer = bare.run("size")
    assert (answer.code, answer.out) == (3, "")
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_a_module_that_would_shadow_the_standard_library_is_left_alone(bare: Project) -> None:
    (bare.folder / "queue").mkdir()
    bare.write("queue/__init__.py", "")
    bare.write("queue/jobs.py", JOB)
    assert any("queue/jobs.py was not imported: the standard library" in note for note in bare.json("about")["notes"])


def test_a_script_that_would_run_is_left_alone_and_the_line_named(bare: Project) -> None:
    bare.write("main.py", "import asyncio\nfrom asyncq import AsyncQ\n\nasyncio.run(asyncio.sleep(60))\n")
    (note,) = bare.json("about")["notes"]
    assert note.startswith("main.py was not imported: line 4 calls asyncio.run()")


def test_a_job_of_a_script_is_found_under_the_name_that_it_had_as_main(bare: Project) -> None:
    bare.write(
        "producer.py", JOB + '\nif __name__ == "__main__":\n    import asyncio\n\n    asyncio.run(Hello().dispatch())\n'
    )
    subprocess.run([sys.executable, "producer.py"], cwd=bare.folder, env=environment({}), check=True)
    said = bare.work().err
    assert "jobs         1 from producer (producer.py)" in said
    assert (bare.folder / "hello.txt").read_text() == "hello\n"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("print('at work')", "line 8 calls print()"),
        ("for number in range(3): pass", "line 8 runs when it is imported"),
        ("x = missing()", None),
    ],
)
def test_a_script_that_does_something_when_it_is_imported_is_not(bare: Project, line: str, said: str | None) -> None:
    bare.write("producer.py", f"{JOB}{line}\n")
    facts = bare.json("about")
    assert facts["jobs"] == []
    if said is None:
        assert "script 'producer' cannot be imported: NameError" in facts["notes"][0]
        return
    assert facts["notes"] == [
        f"producer.py defines jobs and was not imported: {said}; "
        'put that under `if __name__ == "__main__":`, or name it in jobs of [tool.asyncq]'
    ]


@pytest.mark.parametrize(
    "text", ["from asyncq import AsyncQ\n1 / 0\n", "import asyncq\nclass Job: pass\nclass My(Job): pass\n1 / 0\n"]
)
def test_a_script_without_jobs_is_left_alone(bare: Project, text: str) -> None:
    bare.write("script.py", text)
    assert bare.json("about")["notes"] == []


def test_a_broken_script_stops_no_worker(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    bare.write("producer.py", JOB.replace("Hello", "Other") + "missing = 1 / 0\n")
    answer = bare.work()
    assert "script 'producer' cannot be imported: ZeroDivisionError: division by zero" in answer.err
    assert f"{bare.folder}/producer.py, line 8" in answer.err
    assert hello(bare) == 1


def test_jobs_in_the_app_of_a_later_file_are_found(bare: Project) -> None:
    bare.write("queues.py", app("queue"))
    bare.write("main.py", JOB)
    assert [row["job"] for row in bare.json("about")["jobs"]] == ["main:Hello"]


def test_what_waits_and_is_not_read_is_told_once_with_the_way_out(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    for queue in ("vip", "bulk"):
        bare.ok("dispatch", "Hello", "--queue", queue)
    bare.ok("dispatch", "Hello", "--queue", "bulk", "--delay", "3600")
    answer = bare.work()
    assert (
        "note         queue bulk holds 2 jobs that this worker does not read; --queue default,bulk does" in answer.err
    )
    assert "note         queue vip holds 1 job that this worker does not read; --queue default,vip does" in answer.err
    answer = bare.work("--queue", "vip,bulk", "--processes", "2")
    assert answer.err.count("does not read") == 0
    assert (bare.folder / "hello.txt").read_text() == "hello\n" * 2


def test_of_many_queues_that_are_not_read_the_first_are_told(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    for number in range(7):
        bare.ok("dispatch", "Hello", "--queue", f"q{number}")
    said = bare.work().err
    assert said.count("holds 1 job that this worker does not read") == 5
    assert "2 more queues hold jobs that this worker does not read; `asyncq size` lists them" in said


def test_waiting_jobs_that_no_module_defines_are_told_with_their_module(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    bare.ok("dispatch", "Hello", "--delay", "3600")
    bare.write("shop/mail.py", JOB)
    bare.write("shop/__init__.py", "")
    bare.ok("dispatch", "shop.mail:Hello", ASYNCQ_JOBS="shop.mail")
    said = bare.ok("work", "--once").err
    assert said.count("no imported module defines them") == 1
    assert (
        "jobs called shop.mail:Hello are waiting, and no imported module defines them; "
        "let the worker import 'shop.mail' (jobs = [...] in [tool.asyncq] or of AsyncQ), "
        "or add aliases=['shop.mail:Hello'] to the class that took its place"
    ) in said
    assert bare.size().total == 2


def test_the_worker_says_the_same_as_json(bare: Project) -> None:
    bare.write("jobs.py", JOB)
    bare.ok("dispatch", "Hello", "--queue", "vip")
    first = json.loads(bare.work("--json").out.splitlines()[0])
    assert first["notes"] == ["queue vip holds 1 job that this worker does not read; --queue default,vip does"]
