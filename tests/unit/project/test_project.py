"""Environment and `[tool.asyncq]` are merged key by key; what nobody reads is refused or told."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncq import AsyncQ
from asyncq.config import Connection, project_root
from asyncq.errors import ConfigError
from asyncq.project import choose, read_project, unknown_variables


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a project's root, as the working directory, and an environment that says nothing."""
    from asyncq.config import environment

    for name in environment():
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    table(tmp_path, "")
    return tmp_path


def table(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(f"[tool.asyncq]\n{text}\n")


def urls(root: Path) -> dict[str, str]:
    return {name: item.url for name, item in read_project(root).connections.items()}


def test_without_any_configuration_the_queue_lies_in_the_project(root: Path) -> None:
    project = read_project()
    assert (project.root, project.name, project.app, project.jobs) == (root, "asyncq", None, ())
    assert urls(root) == {"default": f"sqlite:///{root}/.asyncq/queue.db"}
    assert project.sources == {}


@pytest.mark.parametrize("mark", ["pyproject.toml", "manage.py", ".git"])
def test_the_root_is_the_nearest_folder_with_a_mark(tmp_path: Path, mark: str) -> None:
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (tmp_path / "outer" / mark).touch()
    assert project_root(inner) == tmp_path / "outer"


def test_the_environment_wins_over_the_table(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "url = 'memory://'\napp = 'shop:app'\njobs = ['one']\nname = 'shop'")
    monkeypatch.setenv("ASYNCQ_URL", "null://")
    monkeypatch.setenv("ASYNCQ_JOBS", "two, three")
    project = read_project()
    assert urls(root) == {"default": "null://"}
    assert (project.app, project.name, project.jobs) == ("shop:app", "shop", ("two", "three"))
    assert project.sources["url"] == "ASYNCQ_URL"
    assert project.sources["app"] == "[tool.asyncq] app"


def test_an_argument_of_the_app_wins_over_both(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "url = 'memory://'\nname = 'shop'")
    monkeypatch.setenv("ASYNCQ_NAME", "other")
    app = AsyncQ("null://", name="mine")
    assert (app.name, app.connections["default"].url) == ("mine", "null://")
    assert AsyncQ().name == "other"
    assert AsyncQ().connections["default"].url == "memory://"


def test_an_empty_variable_says_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "url = 'memory://'")
    monkeypatch.setenv("ASYNCQ_URL", "")
    assert urls(root) == {"default": "memory://"}


def test_one_key_of_a_connection_can_be_set_from_outside(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "[tool.asyncq.connections.big-reports]\nurl = 'memory://'\nlease = 60\nqueue = 'slow'")
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__BIG_REPORTS__LEASE", "90")
    settings = read_project().connections["big-reports"].settings("big-reports")
    assert (settings.lease, settings.queue) == (90, "slow")
    assert read_project().sources["connections.big-reports.lease"] == "ASYNCQ_CONNECTIONS__BIG_REPORTS__LEASE"


def test_a_connection_may_be_only_a_url(root: Path) -> None:
    table(root, "default = 'main'\n[tool.asyncq.connections]\nmain = 'memory://'\nother = 'null://'")
    assert urls(root) == {"main": "memory://", "other": "null://"}
    assert AsyncQ().default == "main"


def test_a_path_in_the_table_is_seen_from_the_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "url = 'sqlite:///data/my queue.db?lease=9'")
    (root / "below").mkdir()
    monkeypatch.chdir(root / "below")
    assert urls(root / "below") == {"default": f"sqlite:///{root}/data/my%20queue.db?lease=9"}


@pytest.mark.parametrize("url", ["sqlite:////var/q.db", "sqlite:///:memory:", "redis://host/0"])
def test_other_urls_in_the_table_are_left_as_they_are(root: Path, url: str) -> None:
    table(root, f"url = '{url}'")
    assert urls(root) == {"default": url}


def test_retry_after_is_another_name_of_lease(root: Path) -> None:
    table(root, "[tool.asyncq.connections.default]\nurl = 'memory://'\nretry_after = 45")
    assert read_project().connections["default"].settings("default").lease == 45


def test_failed_may_be_a_url_or_a_connection(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "failed = 'memory://'")
    app = AsyncQ("null://")
    assert app.failed_on == "failed"
    assert app.connections["failed"].url == "memory://"
    table(root, "failed = 'keep'\nconnections.keep = 'memory://'\nurl = 'null://'")
    assert AsyncQ().failed_on == "keep"
    monkeypatch.setenv("ASYNCQ_FAILED", "nowhere")
    with pytest.raises(ConfigError, match="failed='nowhere' is neither a URL nor one of the connections"):
        AsyncQ()


def test_two_names_of_one_setting_are_refused(root: Path) -> None:
    table(root, "url = 'memory://'\nconnections.default.url = 'null://'")
    with pytest.raises(ConfigError, match="are two names of one setting; remove one of them"):
        read_project()


def test_a_variable_that_names_no_key_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__REPORTS", "memory://")
    with pytest.raises(ConfigError, match="write ASYNCQ_CONNECTIONS__REPORTS__URL"):
        read_project()


def test_a_variable_that_nobody_reads_is_told_with_the_nearest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCQ_FAILD", "x")
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__A__URL", "memory://")
    assert list(unknown_variables()) == ["ASYNCQ_FAILD is no setting; did you mean ASYNCQ_FAILED?"]


def test_connections_of_a_call_are_all_there_are(root: Path) -> None:
    table(root, "connections.other = 'null://'")
    given = {"default": Connection("memory://", queue="mine")}
    choice = choose(read_project(), url=None, connections=given, default=None, failed=None)
    assert list(choice.connections) == ["default"]
    assert choice.connections["default"].settings("default").queue == "mine"
    with pytest.raises(ConfigError, match="default='x' is none of the connections 'default'"):
        choose(read_project(), url=None, connections=given, default="x", failed=None)
    with pytest.raises(ConfigError, match="one url or several connections"):
        choose(read_project(), url="memory://", connections=given, default=None, failed=None)
