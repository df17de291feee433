"""Environment and `[tool.asyncq]` are merged key by key; what nobody reads is refused or told."""

from __future__ import annotations

from pathlib import Path

import pytest

from asyncq import AsyncQ
from asyncq.choice import choose
from asyncq.config import Connection, mask, project_root
from asyncq.errors import ConfigError
from asyncq.project import read_project, unknown_variables


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
    assert app.stores["failed"] == "failed"
    assert app.connections["failed"].url == "memory://"
    table(root, "failed = 'keep'\nconnections.keep = 'memory://'\nurl = 'null://'")
    assert AsyncQ().stores["failed"] == "keep"
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


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("ASYNCQ_URLL", "ASYNCQ_URL"),
        ("ASYNCQ_FAILD", "ASYNCQ_FAILED"),
        ("ASYNCQ_JOB", "ASYNCQ_JOBS"),
        ("ASYNCQ_LEASE", "ASYNCQ_CONNECTIONS__BIG_ONE__LEASE"),
        ("ASYNCQ_RETRY_AFTER", "ASYNCQ_CONNECTIONS__BIG_ONE__RETRY_AFTER"),
        ("ASYNCQ_CONNECTION__REPORTS__URL", "ASYNCQ_CONNECTIONS__NAME__KEY"),
        ("ASYNCQ_CONNECTIONS_REPORTS_URL", "ASYNCQ_CONNECTIONS__NAME__KEY"),
    ],
)
def test_a_variable_that_looks_like_ours_is_refused_with_the_one_that_was_meant(
    root: Path, monkeypatch: pytest.MonkeyPatch, variable: str, meant: str
) -> None:
    table(root, "default = 'big-one'\nconnections.big-one = 'memory://'")
    monkeypatch.setenv(variable, "x")
    with pytest.raises(ConfigError) as caught:
        read_project()
    assert str(caught.value) == f"{variable} is no setting; did you mean {meant}? Correct it, or unset it"
    assert not list(unknown_variables())


def test_a_variable_like_none_of_ours_may_be_another_programs_and_is_told(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASYNCQ_COLOUR", "x")
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__A__URL", "memory://")
    assert list(read_project().connections) == ["a", "default"]
    assert list(unknown_variables()) == ["ASYNCQ_COLOUR is no setting, and nobody reads it"]


def test_one_key_alone_belongs_to_the_embedded_queue(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__DEFAULT__LEASE", "60")
    settings = read_project().connections["default"].settings("default")
    assert (settings.url, settings.lease) == (f"sqlite:///{root}/.asyncq/queue.db", 60)


def test_the_other_name_of_a_setting_wins_by_the_same_order(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(root, "[tool.asyncq.connections.default]\nurl = 'memory://?lease=20'\nlease = 30")
    assert read_project().connections["default"].settings("default").lease == 30
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__DEFAULT__RETRY_AFTER", "40")
    assert read_project().connections["default"].settings("default").lease == 40
    monkeypatch.setenv("ASYNCQ_CONNECTIONS__DEFAULT__LEASE", "50")
    with pytest.raises(ConfigError, match="are two names of one setting; remove one of them"):
        read_project()


def test_a_driver_option_that_is_like_a_common_one_is_no_mistake(root: Path) -> None:
    table(root, "[tool.asyncq.connections.default]\nurl = 'redis://host'\nretry_for = 2\ntimeout = 4.5")
    assert AsyncQ().connections["default"].options == {"retry_for": "2", "timeout": "4.5"}


@pytest.mark.parametrize("how", ["argument", "variable", "table"])
def test_locks_and_limits_may_have_a_connection_of_their_own(
    root: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "table":
        table(root, "locks = 'memory://a'\nlimits = 'memory://b'")
    if how == "variable":
        monkeypatch.setenv("ASYNCQ_LOCKS", "memory://a")
        monkeypatch.setenv("ASYNCQ_LIMITS", "memory://b")
    app = AsyncQ(locks="memory://a", limits=Connection("memory://b")) if how == "argument" else AsyncQ()
    assert app.stores == {"locks": "locks", "limits": "limits"}
    assert {name: item.url for name, item in app.connections.items() if name != "default"} == {
        "locks": "memory://a",
        "limits": "memory://b",
    }


def test_a_module_alone_is_a_list_of_one(root: Path) -> None:
    assert AsyncQ("memory://", jobs="shop.jobs").jobs == ("shop.jobs",)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:pw@host:1/0", "redis://me:***@host:1/0"),
        ("redis://:p@w@host", "redis://:***@host"),
        ("redis+sentinel://me:pw@one:1,two/main", "redis+sentinel://me:***@one:1,two/main"),
        ("redis://host:1?password=a@b&db=1", "redis://host:1?password=***&db=1"),
        ("redis://host?db=1&sentinel_password=pw", "redis://host?db=1&sentinel_password=***"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("redis://me@host", "redis://me@host"),
        ("redis://[::1", "redis://[::1"),
    ],
)
def test_no_password_of_a_url_is_shown(url: str, shown: str) -> None:
    assert mask(url) == shown


def test_connections_of_a_call_are_all_there_are(root: Path) -> None:
    table(root, "connections.other = 'null://'")
    given = {"default": Connection("memory://", queue="mine")}
    choice = choose(read_project(), connections=given)
    assert list(choice.connections) == ["default"]
    assert choice.connections["default"].settings("default").queue == "mine"
    with pytest.raises(ConfigError, match="default='x' is none of the connections; there are default"):
        choose(read_project(), connections=given, default="x")
    with pytest.raises(ConfigError, match="one url or several connections"):
        choose(read_project(), url="memory://", connections=given)
