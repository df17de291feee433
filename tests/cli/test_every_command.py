"""What holds for every command: one answer on a pipe, in JSON and on a terminal, and a code that tells the reason."""

from __future__ import annotations

import pytest

from tests.cli.projects import Project

COMMANDS = {
    "dispatch": ("Count",),
    "size": (),
    "monitor": (),
    "jobs": (),
    "clear": ("--force",),
    "failed": (),
    "show": ("nobody",),
    "retry": ("all",),
    "forget": ("nobody",),
    "flush": ("--force",),
    "prune-failed": (),
    "restart": (),
    "pause": ("mail",),
    "resume": ("mail",),
    "continue": ("--all",),
    "about": (),
    "doctor": (),
    "health": (),
    "migrate": (),
    "table": (),
    "bench": ("--jobs", "10"),
}
"""With arguments that are no mistake in a project without jobs."""
FINDS_NOTHING = {"show", "forget", "health"}
"""End with 1 there."""
OPENS_NOTHING = {"about", "table"}
OPENS_ALONE = {"doctor"}
"""Reports a connection that cannot be opened instead of ending with its error."""
UNREACHABLE = {"ASYNCQ_URL": "sqlite:////proc/nowhere/queue.db"}
each = pytest.mark.parametrize("command", COMMANDS)


def code_of(command: str) -> int:
    return 1 if command in FINDS_NOTHING else 0


@each
def test_on_a_pipe_there_is_no_colour_and_the_code_is_right(project: Project, command: str) -> None:
    answer = project.run(command, *COMMANDS[command])
    assert answer.code == code_of(command), answer
    assert "\x1b" not in answer.out + answer.err
    assert "Traceback" not in answer.err


@each
def test_json_is_one_document_and_nothing_else(project: Project, command: str) -> None:
    if command == "show":
        answer = project.run("show", "nobody", "--json")
        assert (answer.code, answer.out) == (1, "")
    else:
        assert isinstance(project.json(command, *COMMANDS[command], code=code_of(command)), (dict, list))


@each
def test_on_a_terminal_the_code_is_the_same_and_no_line_has_tabs(project: Project, command: str) -> None:
    answer = project.at_terminal(command, *COMMANDS[command], NO_COLOR="1")
    assert answer.code == code_of(command), answer
    assert answer.out
    assert "\t" not in answer.out
    assert "Traceback" not in answer.out


@each
def test_an_option_that_does_not_exist_is_code_2(project: Project, command: str) -> None:
    answer = project.run(command, *COMMANDS[command], "--frobnicate")
    assert (answer.code, answer.out) == (2, "")
    assert "--frobnicate" in answer.err


@each
def test_an_app_that_does_not_exist_is_code_3(project: Project, command: str) -> None:
    answer = project.run(command, *COMMANDS[command], "--app", "nowhere:queue", "--json")
    if command == "doctor":
        assert answer.code == 1
        assert "'nowhere' does not exist" in answer.out
    else:
        assert (answer.code, answer.out) == (3, "")
        assert "error: the app of --app 'nowhere' does not exist" in answer.err


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in OPENS_NOTHING | OPENS_ALONE])
def test_a_broker_that_cannot_be_reached_is_code_4(project: Project, command: str) -> None:
    answer = project.run(command, *COMMANDS[command], "--json", **UNREACHABLE)
    assert (answer.code, answer.out) == (4, "")
    assert "error: /proc/nowhere/queue.db" in answer.err


@pytest.mark.parametrize("command", sorted(OPENS_NOTHING))
def test_what_opens_no_broker_does_not_need_one(project: Project, command: str) -> None:
    assert project.ok(command, **UNREACHABLE).out
