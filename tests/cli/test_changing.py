"""Commands that change queues: dispatch and retry."""

from __future__ import annotations

import json

import pytest

from tests.cli.projects import Project


def test_dispatch_writes_the_id_to_stdout_and_talks_on_stderr(project: Project) -> None:
    answer = project.ok("dispatch", "jobs:Mail", '{"to": "ada"}')
    assert answer.err == "dispatched to queue mail of default\n"
    assert project.json("show", answer.out.strip())["arguments"]["to"] == "ada"
    project.work()
    assert project.history() == [["mail", "ada"]]


def test_dispatch_as_json_says_where_the_job_is(project: Project) -> None:
    facts = project.json("dispatch", "Count", "--queue", "slow", "--delay", "60", "--id", "mine")
    assert facts == {"id": "mine", "created": True, "queue": "slow", "connection": "default"}
    assert project.size("slow").delayed == 1


def test_an_id_dispatched_twice_is_one_job(project: Project) -> None:
    project.ok("dispatch", "Count", "--id", "mine")
    again = project.ok("dispatch", "Count", "--id", "mine")
    assert again.err.startswith("there already, nothing was dispatched")
    assert project.json("dispatch", "Count", "--id", "mine")["created"] is False
    assert project.size().total == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("Mial",), "no job is called 'Mial'; did you mean 'jobs:Mail'?"),
        (("Nothing",), "no job is called 'Nothing'; there are jobs:Bad, jobs:Count, jobs:Eat, jobs:Mail, jobs:Nap"),
        (("Mail",), "Mail does not take these arguments: to: Field required"),
        (("Mail", '{"to": "x", "cc": "y"}'), "cc: there is no such argument; there are to, token"),
        (("Count", '{"number": "many"}'), "number: Input should be a valid integer"),
        (("Mail", "{to: x}"), "the arguments of Mail are no JSON"),
        (("Mail", "[1]"), "the arguments take one JSON object"),
        (("Count", "--delay", "inf"), "inf is no finite number"),
        (("Count", "--delay", "soon"), "--delay"),
        ((), "Missing argument"),
    ],
    ids=["near", "far", "missing", "extra", "type", "no-json", "no-object", "endless", "no-number", "no-name"],
)
def test_what_cannot_be_dispatched_is_wrong_usage(project: Project, arguments: tuple[str, ...], said: str) -> None:
    answer = project.run("dispatch", *arguments)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert project.size().total == project.size("mail").total == 0


def test_dispatch_to_an_unknown_connection_is_a_matter_of_configuration(project: Project) -> None:
    answer = project.run("dispatch", "Count", "--connection", "nowhere")
    assert answer.code == 3
    assert "no connection is called 'nowhere'; there are 'default'" in answer.err


def test_retry_gives_failed_jobs_back_with_their_id_and_no_attempts(project: Project) -> None:
    (id,) = project.push("Bad")
    project.work()
    answer = project.ok("retry", id)
    assert answer.out == f"{id}\n"
    assert answer.err == f"{id}: jobs:Bad is back in queue default of default\n"
    assert not project.failed()
    project.work()
    assert [line[1] for line in project.history()] == ["1", "1"]
    assert [job.id for job in project.failed()] == [id]


def test_retry_takes_all_or_those_of_a_queue(project: Project) -> None:
    ids = project.push("Bad", "Bad")
    project.work()
    assert project.ok("retry", "--queue", "mail").err == "no failed jobs\n"
    assert len(project.failed()) == 2
    assert project.ok("retry", "all").out.split() == ids
    assert not project.failed()
    assert project.size().ready == 2


def test_retry_of_an_unknown_id_is_code_1_and_does_the_others(project: Project) -> None:
    (id,) = project.push("Bad")
    project.work()
    answer = project.run("retry", "nobody", id, "--json")
    assert answer.code == 1
    assert [(row["id"], row["status"]) for row in json.loads(answer.out)] == [("nobody", "unknown"), (id, "retried")]
    told = project.run("retry", "nobody")
    assert (told.code, told.out) == (1, "")
    assert told.err == "nobody: no failed job has this id; `asyncq failed` lists them\n"


def test_retry_keeps_the_record_where_a_job_of_the_id_waits_already(project: Project) -> None:
    project.ok("dispatch", "Bad", "--id", "mine")
    project.work()
    project.ok("dispatch", "Bad", "--id", "mine")
    assert project.run("retry", "mine").code == 1
    assert len(project.failed()) == 1
    assert project.size().ready == 1


@pytest.mark.parametrize("arguments", [(), ("all", "x"), ("x", "--queue", "mail")], ids=["nothing", "all-and", "both"])
def test_it_must_be_clear_what_is_retried(project: Project, arguments: tuple[str, ...]) -> None:
    answer = project.run("retry", *arguments)
    assert answer.code == 2
    assert "`all`" in answer.err
