"""What a person gets wrong around the command line: the exit code says whose matter it is, stderr what to do."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.cli.projects import Project, project_with
from tests.support.ports import free_port

JOB = """
from asyncq import AsyncQ, Job


class Hello(Job):
    to: str = ""

    async def handle(self) -> None:
        open("hello.txt", "a").write("hello\\n")
"""
TABLE = "[tool.asyncq]\n"
PORT = free_port()
SECOND = "\n\nclass Second(Job, name='jobs:Hello'):\n    async def handle(self) -> None: ...\n"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A project, a command, and all that it answers."""

    command: str
    code: int
    said: str
    """What stderr ends with; `{root}` is the project's folder."""
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])


def table(text: str) -> Mapping[str, str]:
    return {"pyproject.toml": TABLE + text}


def jobs(text: str) -> Mapping[str, str]:
    return {"jobs.py": JOB + text}


MISTAKES = {
    # --- pyproject.toml ---
    "an unknown key": Mistake(
        "size",
        3,
        "error: {root}/pyproject.toml: [tool.asyncq] has an unknown key 'ulr'; did you mean 'url'?\n",
        table("ulr = 'memory://'"),
    ),
    "a value of a wrong type": Mistake(
        "size", 3, "error: {root}/pyproject.toml: [tool.asyncq] url takes a text, not 1\n", table("url = 1")
    ),
    "jobs that are no names": Mistake(
        "size",
        3,
        "error: {root}/pyproject.toml: [tool.asyncq] jobs takes a list of module names, not [1]\n",
        table("jobs = [1]"),
    ),
    "connections that are a list": Mistake(
        "size",
        3,
        "error: {root}/pyproject.toml: [tool.asyncq] connections takes a table, not ['memory://']\n",
        table("connections = ['memory://']"),
    ),
    "an option that is a list": Mistake(
        "size",
        3,
        "error: {root}/pyproject.toml: connection 'other': lease takes a text or a number, not [1]\n",
        table("connections.other.lease = [1]"),
    ),
    "a misspelt option of a connection": Mistake(
        "size",
        3,
        "error: connection 'other': unknown option 'leese'; did you mean 'lease'? "
        "(set by [tool.asyncq.connections.other] leese)\n",
        table("connections.other.url = 'memory://'\nconnections.other.leese = 3"),
    ),
    "an option without a connection": Mistake(
        "size",
        3,
        "error: connection 'other' has no url, only what [tool.asyncq.connections.other] lease says; "
        "set ASYNCQ_CONNECTIONS__OTHER__URL or url in [tool.asyncq.connections.other]\n",
        table("connections.other.lease = 3"),
    ),
    "a default that is no connection": Mistake(
        "size",
        3,
        "error: default='mian' ([tool.asyncq] default) is none of the connections; did you mean 'main'?\n",
        table("default = 'mian'\nconnections.main = 'memory://'"),
    ),
    "a url twice": Mistake(
        "size",
        3,
        "error: [tool.asyncq.connections.default] url and [tool.asyncq] url are two names of one setting; "
        "remove one of them\n",
        table("url = 'memory://'\nconnections.default.url = 'null://'"),
    ),
    "broken TOML": Mistake(
        "work --once",
        3,
        "error: {root}/pyproject.toml is no valid TOML: Invalid value (at line 2, column 7); correct it there\n",
        table("url = \n"),
    ),
    "a tool that is no table": Mistake(
        "size", 3, "error: {root}/pyproject.toml: [tool] takes a table, not 3\n", {"pyproject.toml": "tool = 3\n"}
    ),
    # --- environment ---
    "a misspelt variable": Mistake(
        "size",
        3,
        "error: ASYNCQ_URLL is no setting; did you mean ASYNCQ_URL? Correct it, or unset it\n",
        variables={"ASYNCQ_URLL": "memory://"},
    ),
    "a variable of the wrong place": Mistake(
        "size",
        3,
        "error: ASYNCQ_LEASE is no setting; did you mean ASYNCQ_CONNECTIONS__DEFAULT__LEASE? Correct it, or unset it\n",
        variables={"ASYNCQ_LEASE": "60"},
    ),
    "a variable that names no key": Mistake(
        "size",
        3,
        "error: ASYNCQ_CONNECTIONS__REPORTS names no key of a connection; write ASYNCQ_CONNECTIONS__REPORTS__URL\n",
        variables={"ASYNCQ_CONNECTIONS__REPORTS": "memory://"},
    ),
    "a lease that is no number": Mistake(
        "size",
        3,
        "error: connection 'default': lease='soon' is no number of seconds "
        "(set by ASYNCQ_CONNECTIONS__DEFAULT__LEASE)\n",
        variables={"ASYNCQ_CONNECTIONS__DEFAULT__LEASE": "soon"},
    ),
    "an unknown scheme": Mistake(
        "size",
        3,
        "error: connection 'default': no driver for mysql://; there are background://, deferred://, memory://, "
        "null://, postgres://, postgresql://, redis://, redis+cluster://, redis+sentinel://, redis+unix://, "
        "rediss://, rediss+cluster://, rediss+sentinel://, sqlite://, sync://\n",
        variables={"ASYNCQ_URL": "mysql://host"},
    ),
    "a keeper that is no connection": Mistake(
        "size",
        3,
        "error: failed='keep' is neither a URL nor one of the connections 'default'\n",
        variables={"ASYNCQ_FAILED": "keep"},
    ),
    # --- the app ---
    "an app that is no module": Mistake(
        "size --app shop.queues",
        3,
        "error: the app of --app 'shop.queues' does not exist: no module is called 'shop'; the name is the one of an "
        "import statement, seen from the project's root or its src/\n"
        "cause: ModuleNotFoundError: No module named 'shop'\n",
    ),
    "an app that names nothing": Mistake(
        "size --app :queue",
        3,
        "error: --app=':queue' names no module; write module:attribute, module, or path.py\n",
    ),
    "an app that is a function": Mistake(
        "size --app queues:make",
        3,
        "error: --app=queues:make: 'make' is a function, not an AsyncQ; write queues:queue\n",
        {"queues.py": "from asyncq import AsyncQ\nqueue = AsyncQ()\ndef make(): return queue\n"},
    ),
    "an app that is not there": Mistake(
        "size --app queues:que",
        3,
        "error: --app=queues:que: queues has no 'que'; write queues:queue\n",
        {"queues.py": "from asyncq import AsyncQ\nqueue = AsyncQ()\n"},
    ),
    "a module without an app": Mistake(
        "size --app empty",
        3,
        "error: --app=empty: no AsyncQ object is in that module; write module:attribute of the one you mean\n",
        {"empty.py": ""},
    ),
    "two apps": Mistake(
        "work --once --app ''",
        3,
        "error: several AsyncQ apps were built: one in jobs, two in jobs; say which one with --app or "
        "[tool.asyncq] app\n",
        jobs("one = AsyncQ(name='a')\ntwo = AsyncQ(name='b')\n"),
    ),
    # --- job modules ---
    "an import that fails": Mistake(
        "work --once",
        3,
        "error: job module 'jobs' cannot be imported: ModuleNotFoundError: No module named 'nosuchlibrary' "
        "({root}/jobs.py, line 10); install it in this environment\n",
        jobs("import nosuchlibrary\n"),
    ),
    "a syntax error": Mistake(
        "work --once",
        3,
        "error: job module 'jobs' cannot be imported: SyntaxError: invalid syntax (jobs.py, line 10) "
        "({root}/jobs.py, line 10); correct it there\n",
        jobs("def f(:\n"),
    ),
    "a module that ends the program": Mistake(
        "work --once",
        3,
        "error: job module 'jobs' ended the program while it was imported ({root}/jobs.py, line 10); "
        'put what runs the program under `if __name__ == "__main__":`\n',
        jobs("raise SystemExit(1)\n"),
    ),
    "a misspelt setting": Mistake(
        "work --once",
        3,
        "error: job module 'jobs' cannot be imported: WrongType: Other: unknown setting 'tryes'; did you mean "
        "'tries'? ({root}/jobs.py, line 10); correct it there\n",
        jobs("class Other(Job, tryes=3): ...\n"),
    ),
    "two jobs of one name": Mistake(
        "work --once",
        3,
        "error: two jobs are called 'jobs:Hello': jobs.Hello and jobs.Second; give one of them another name= or remove "
        "the alias\n",
        jobs(SECOND),
    ),
    "an alias that is a name": Mistake(
        "work --once",
        3,
        "error: two jobs are called 'jobs:Hello': jobs.Hello and jobs.Second; give one of them another name= or remove "
        "the alias\n",
        jobs(SECOND.replace("name='jobs:Hello'", "aliases=['jobs:Hello']")),
    ),
    "a job without handle": Mistake(
        "work --once",
        3,
        "error: Other has no handle(); write `async def handle(self)` or `def handle(self)`\n",
        jobs("class Other(Job): ...\n"),
    ),
    "a named module that is not there": Mistake(
        "work --once",
        3,
        "error: job module of [tool.asyncq] jobs 'shop.jbs' does not exist: no module is called 'shop'; the name is "
        "the one of an import statement, seen from the project's root or its src/\n"
        "cause: ModuleNotFoundError: No module named 'shop'\n",
        table("jobs = ['shop.jbs']"),
    ),
    # --- options and arguments ---
    "a limit that is 0": Mistake(
        "work --queue mail:0", 2, "error: queue 'mail:0': the limit is how many may run at once, 1 or more\n"
    ),
    "a queue without a name": Mistake(
        "work --queue mail,,x", 2, "error: queue '' has no name; write for example mail:10,default\n"
    ),
    "a queue twice": Mistake(
        "work --queue mail,mail:2",
        2,
        "error: queue 'mail' is listed twice; the order is the priority, so name it once\n",
    ),
    "a backoff that is no number": Mistake(
        "work --backoff soon", 2, "error: --backoff=soon: write seconds, or several with commas: 1,5,30\n"
    ),
    "an unknown connection": Mistake(
        "work reports", 3, "error: no connection is called 'reports'; there are 'default'\n"
    ),
    "an unknown job": Mistake("dispatch Helo", 2, "error: no job is called 'Helo'; did you mean 'jobs:Hello'?\n"),
    "an unknown argument": Mistake(
        'dispatch Hello {"too":"x"}',
        2,
        "error: Hello does not take these arguments: too: there is no such argument; there are to\n",
    ),
    "an argument of a wrong type": Mistake(
        'dispatch Hello {"to":3}',
        2,
        "error: Hello does not take these arguments: to: Input should be a valid string\n",
    ),
    "arguments that are no JSON": Mistake(
        "dispatch Hello to=x",
        2,
        "error: the arguments of Hello are no JSON: Invalid JSON: expected ident at line 1 column 2; write for example "
        '\'{{"to": "x"}}\'\n',
    ),
    "a bad id": Mistake(
        "dispatch Hello {} --id a/b",
        2,
        "error: id='a/b': an id is a text of 1 to 200 letters, digits, or . : - _\n",
    ),
    "a bad queue": Mistake(
        "dispatch Hello {} --queue mail,news",
        2,
        "error: Hello: queue takes at most 200 characters, without commas and line breaks, not 'mail,news'\n",
    ),
    "an id that no job has": Mistake(
        "show nobody",
        1,
        "error: no job has the id 'nobody': it never was, was done, or was forgotten; `asyncq failed` lists what "
        "failed\n",
    ),
    # --- places ---
    "work on memory": Mistake(
        "work --once",
        3,
        "error: connection 'default' (memory://) is known only inside the process that dispatches; work there with "
        "`async with app.worker():`, or use a queue that processes share, for example sqlite:///queue.db\n",
        variables={"ASYNCQ_URL": "memory://"},
    ),
    "work on sync": Mistake(
        "work --once",
        3,
        "error: connection 'default' (sync://) keeps no jobs, so there is nothing to work on\n",
        variables={"ASYNCQ_URL": "sync://"},
    ),
    "a lease that is too short": Mistake(
        "work --once",
        3,
        "error: connection 'default': lease=0.5 is too short; a worker needs 1 s or more\n",
        variables={"ASYNCQ_CONNECTIONS__DEFAULT__LEASE": "0.5"},
    ),
    "a folder": Mistake(
        "size",
        3,
        "error: {root} is a directory; name a file in it, for example sqlite:///{root}/queue.db\n",
        table("url = 'sqlite:///.'"),
    ),
    "a folder that nobody can make": Mistake(
        "work --once",
        4,
        "error: /proc/nowhere/queue.db: cannot make its directory ([Errno 2] No such file or directory: "
        "'/proc/nowhere'); make it, or choose another\n"
        "hint: `asyncq doctor` looks at every connection and says what is wrong with it\n",
        variables={"ASYNCQ_URL": "sqlite:////proc/nowhere/queue.db"},
    ),
    "a file that is no database": Mistake(
        "size",
        5,
        "error: {root}/letter.txt is damaged or no SQLite database (file is not a database); stop all processes, then "
        "restore a backup or save what is left with: sqlite3 FILE .recover\n"
        "hint: `asyncq migrate status` shows the versions, `asyncq migrate` makes or updates the tables\n",
        {**table("url = 'sqlite:///letter.txt'"), "letter.txt": "Dear queue, this is no database.\n" * 50},
    ),
    "a server that is not there": Mistake(
        "work --once",
        4,
        f"error: redis://127.0.0.1:{PORT} does not answer (ConnectionError: Error 111 connecting to 127.0.0.1:{PORT}. "
        f"Connect call failed ('127.0.0.1', {PORT})); start it, or correct the URL\n"
        "hint: `asyncq doctor` looks at every connection and says what is wrong with it\n",
        variables={"ASYNCQ_URL": f"redis://127.0.0.1:{PORT}?retry_for=0.1"},
    ),
}


@pytest.fixture
def bare(tmp_path: Path) -> Generator[Project]:
    with project_with(tmp_path, jobs=JOB) as project:
        yield project


@pytest.mark.parametrize("kind", MISTAKES)
def test_it_is_refused_in_full_words_and_nothing_is_lost(bare: Project, kind: str) -> None:
    mistake = MISTAKES[kind]
    bare.ok("dispatch", "Hello")
    for name, text in mistake.files.items():
        bare.write(name, text)
    command = [part.strip("'") for part in mistake.command.split(" ")]
    answer = bare.run(*command, **mistake.variables)
    said = mistake.said.format(root=bare.folder)
    assert (answer.code, answer.out) == (mistake.code, "")
    assert answer.err.endswith(said), answer.err
    assert answer.err == said or answer.err.startswith("asyncq works\n")
    bare.write("pyproject.toml", "")
    bare.write("jobs.py", JOB)
    (bare.folder / "queues.py").unlink(missing_ok=True)
    bare.work()
    assert (bare.folder / "hello.txt").read_text() == "hello\n"


def test_tables_of_a_newer_version_are_left_as_they_are(bare: Project) -> None:
    bare.ok("dispatch", "Hello")
    file = bare.folder / ".asyncq" / "queue.db"
    with closing(sqlite3.connect(file)) as connection, connection:
        (ours,) = connection.execute("select value from asyncq_meta where key = 'schema'").fetchone()
        connection.execute("update asyncq_meta set value = 99 where key = 'schema'")
    answer = bare.run("work", "--once")
    assert answer.code == 5
    assert answer.err == (
        f"error: {file} has tables of version 99, and this asyncq knows them up to {ours}; upgrade asyncq here\n"
        "hint: `asyncq migrate status` shows the versions, `asyncq migrate` makes or updates the tables\n"
    )
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("update asyncq_meta set value = ? where key = 'schema'", (ours,))
    bare.work()
    assert (bare.folder / "hello.txt").read_text() == "hello\n"


def test_there_are_many() -> None:
    assert len({mistake.said for mistake in MISTAKES.values()}) >= 40
