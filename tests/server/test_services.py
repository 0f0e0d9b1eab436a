"""Recipes and the decision to restart services; no process runs here."""

from pathlib import Path

import pytest

from sessionhost.core.services import (
    DEATHS_MAX,
    DEATHS_WINDOW_S,
    LATE_S,
    MAX_ARGUMENT_CHARS,
    MAX_RECIPE_BYTES,
    MAX_SERVICES,
    RESTART_FIRST_S,
    WAIT_MAX_S,
    Finished,
    GivenUp,
    Recipe,
    RecipeError,
    RestartAt,
    Service,
    Supervisor,
    expand,
    parse_recipe,
)

RECIPES = Path(__file__).parents[2] / "server" / "etc" / "recipes"
ONE = '[[service]]\nname = "one"\ncommand = ["one"]\n'


def test_the_desktop_recipe_is_good():
    recipe = parse_recipe("desktop", (RECIPES / "desktop.toml").read_text())
    names = {service.name: service for service in recipe.services}
    assert set(names) == {"window-manager", "background", "editor", "terminal", "sound"}
    assert names["window-manager"].required
    assert not names["background"].required
    assert names["terminal"].managed
    assert names["sound"].late
    assert dict(recipe.environment)["NO_AT_BRIDGE"] == "1"


def test_a_recipe_gives_its_services_in_order():
    text = '[environment]\nA = "{home}"\n' + ONE + ONE.replace("one", "two") + "required = false\n"
    assert parse_recipe("r", text) == Recipe(
        "r",
        (Service("one", ("one",)), Service("two", ("two",), required=False)),
        (("A", "{home}"),),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "at least one"),
        ("service = 3", "at least one"),
        ("service = [3]", "must be a"),
        ("not toml", "not TOML"),
        ("x = 1\n" + ONE, "unknown key 'x'; known are environment, service"),
        (ONE + "comand = 1", "unknown key 'comand'"),
        (ONE + ONE, "same name"),
        (ONE.replace('"one"\n', '"One"\n', 1), "must be like 'terminal'"),
        (ONE.replace('name = "one"\n', ""), "must be like 'terminal'"),
        (ONE.replace('["one"]', '"one"'), "command must be a list"),
        (ONE.replace('["one"]', "[]"), "command must be a list"),
        (ONE.replace('["one"]', "[1]"), "is not a text"),
        (ONE.replace('["one"]', '["a\\u0000b"]'), "is not a text"),
        (ONE.replace('["one"]', f'["{"x" * (MAX_ARGUMENT_CHARS + 1)}"]'), "is not a text"),
        (ONE.replace('["one"]', '["{hime}"]'), "{hime} is not known; known are {home}"),
        (ONE + 'required = "yes"', "required must be true or false"),
        (ONE + "managed = 1", "managed must be true or false"),
        ("environment = 3\n" + ONE, "must be a table"),
        ('[environment]\nlower = "x"\n' + ONE, "not a variable's name"),
        ("[environment]\nA = 3\n" + ONE, "is not a text"),
        ("".join(ONE.replace('"one"\n', f'"s{n}"\n') for n in range(MAX_SERVICES + 1)), "more"),
        ("#" * (MAX_RECIPE_BYTES + 1), "longer"),
    ],
)
def test_a_bad_recipe_is_refused_in_words(text, words):
    with pytest.raises(RecipeError) as error:
        parse_recipe("r", text)
    assert words in str(error.value)
    assert str(error.value).startswith("recipe r")


def test_expand_fills_in_the_session():
    assert expand("{home}/a {user} {x", {"home": "/home/al", "user": "al"}) == "/home/al/a al {x"


def supervisor(*services):
    return Supervisor(services or (Service("wm", ("wm",)), Service("once", ("once",), False)), 10.0)


def test_all_start_at_once_and_once():
    subject = supervisor()
    assert subject.next_deadline() == 10.0
    assert [service.name for service in subject.due(10.0)] == ["wm", "once"]
    assert subject.due(11.0) == ()
    assert subject.next_deadline() is None


def test_a_required_service_comes_back_with_back_off():
    subject = supervisor()
    subject.due(10.0)
    now = 10.0
    for count in range(DEATHS_MAX - 1):
        verdict = subject.died("wm", now)
        assert isinstance(verdict, RestartAt)
        assert verdict.at == pytest.approx(now + RESTART_FIRST_S * 2**count)
        assert subject.next_deadline() == verdict.at
        assert subject.due(verdict.at - 0.001) == ()
        now = verdict.at
        assert [service.name for service in subject.due(now)] == ["wm"]
    assert subject.died("wm", now) == GivenUp("wm", DEATHS_MAX)
    assert subject.due(now + 1000) == ()


def test_deaths_that_are_far_apart_do_not_count_together():
    subject = supervisor()
    subject.due(10.0)
    for count in range(DEATHS_MAX * 3):
        now = 10.0 + count * DEATHS_WINDOW_S / (DEATHS_MAX - 1)
        verdict = subject.died("wm", now)
        assert isinstance(verdict, RestartAt)
        subject.due(verdict.at)


def test_a_service_that_is_not_required_stays_down():
    subject = supervisor()
    subject.due(10.0)
    assert subject.died("once", 11.0) == Finished("once")
    assert subject.next_deadline() is None


def test_a_managed_service_waits_for_the_window_manager():
    subject = supervisor(Service("wm", ("wm",)), Service("term", ("term",), managed=True))
    assert [service.name for service in subject.due(10.0)] == ["wm"]
    subject.window_manager_up(10.5)
    assert [service.name for service in subject.due(10.5)] == ["term"]
    subject.window_manager_up(11.0)
    assert subject.next_deadline() is None


def test_a_managed_service_does_not_wait_for_ever():
    subject = supervisor(Service("term", ("term",), managed=True))
    assert subject.due(10.0 + WAIT_MAX_S - 0.1) == ()
    assert len(subject.due(10.0 + WAIT_MAX_S)) == 1
    subject.window_manager_up(13.0)
    assert subject.due(13.0) == ()


def test_a_late_service_waits_for_the_desktop():
    subject = supervisor(Service("term", ("term",), managed=True), Service("s", ("s",), late=True))
    subject.window_manager_up(10.5)
    assert [service.name for service in subject.due(10.5)] == ["term"]
    assert subject.next_deadline() == 10.5 + LATE_S
    assert [service.name for service in subject.due(10.5 + LATE_S)] == ["s"]
    assert subject.next_deadline() is None


def test_a_late_service_starts_without_a_window_manager_too():
    subject = supervisor(Service("s", ("s",), late=True))
    assert subject.due(10.0 + WAIT_MAX_S - 0.1) == ()
    assert len(subject.due(10.0 + WAIT_MAX_S)) == 1


def test_a_window_manager_does_not_cut_a_back_off_short():
    subject = supervisor(Service("term", ("term",), managed=True))
    subject.due(10.0 + WAIT_MAX_S)
    verdict = subject.died("term", 13.0)
    subject.window_manager_up(13.0)
    assert subject.next_deadline() == verdict.at
