"""roamctl on cards, aliases, time windows, readers and the policy, as a person calls it."""

import json

import pytest

from fakes.cards import Authority, RealCard
from sessionhost.app import roamctl_cards
from sessionhost.app.roamctl import main
from sessionhost.core.policy import SETTINGS, policy_hash


def entries(run, registry):
    return json.loads(run("token", "list", "--json", *registry))["tokens"]


@pytest.mark.parametrize("form", ["der", "pem"])
def test_a_card_is_registered_by_its_certificate(form, tmp_path, registry, run):
    card, person = RealCard("rsa2048"), RealCard("p384")
    for name, each in (("9e", card), ("9a", person)):
        (tmp_path / name).write_bytes(getattr(each, form))
    words = run(
        *("card", "add", "--certificate", tmp_path / "9e", "--user", "alice"),
        *("--person-certificate", tmp_path / "9a", "--label", "blue", *registry),
    )
    assert words == f"{card.token} opens sessions of alice\n"
    (entry,) = entries(run, registry)
    assert (entry["token"], entry["person_key"]) == (str(card.token), person.key_hash)
    assert entry["label"] == "blue"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "holds no certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAA\n", "holds no certificate"),
        (RealCard("p521").der, "is none of a PIV card"),
    ],
)
def test_what_is_no_cards_certificate_is_told(data, told, tmp_path, registry, fails):
    (tmp_path / "c").write_bytes(data)
    line = ("card", "add", "--certificate", tmp_path / "c", "--user", "alice", *registry)
    assert told in fails(*line)


def test_aliases_and_windows(registry, run, fails):
    for token in ("uid:01", "uid:02"):
        run("token", "add", token, "alice", *registry)
    assert run("token", "alias", "uid:02", "--of", "uid:01", *registry) == (
        "uid:02 opens the sessions of uid:01\n"
    )
    run("token", "window", "uid:02", "mon-fri 07:00-19:00", *registry)
    listed = run("token", "list", *registry)
    assert "uid:02  alice  enabled  uid:01    mon-fri 07:00-19:00" in listed
    run("token", "alias", "uid:02", "--none", *registry)
    run("token", "window", "uid:02", "", *registry)
    assert [each["alias_of"] for each in entries(run, registry)] == [None, None]
    assert [each["hours"] for each in entries(run, registry)] == ["", ""]
    assert "must look like" in fails("token", "window", "uid:02", "at night", *registry)
    assert "nothing that can be presented" in fails(
        "token", "add", "user:alice", "alice", *registry
    )


def test_readers(registry, run, fails):
    assert run("reader", "list", *registry) == "no terminal is a reader\n"
    run("reader", "add", "desk1", *registry)
    assert "desk1" in run("reader", "list", *registry)
    run("reader", "remove", "desk1", *registry)
    assert "is no reader" in fails("reader", "remove", "desk1", *registry)
    assert "not a name" in fails("reader", "add", "desk 1", *registry)


@pytest.fixture
def hostd(monkeypatch):
    """Answers of hostd in their order; what was asked is kept."""

    class Hostd:
        answers: list = []  # noqa: RUF012 - one a test, by the fixture
        asked: list = []  # noqa: RUF012

    def ask(_path, question):
        Hostd.asked.append(question)
        return json.dumps(Hostd.answers.pop(0)).encode()

    Hostd.answers, Hostd.asked = [], []
    monkeypatch.setattr(roamctl_cards, "ask", ask)
    monkeypatch.setattr(roamctl_cards.time, "sleep", lambda _seconds: None)
    return Hostd


def test_enrolling_waits_for_the_card(hostd, run):
    hostd.answers = [
        {"seconds": 120},
        {"token": "", "outcome": ""},
        {"token": "piv:1", "outcome": "registered"},
    ]
    words = run(
        *("card", "enrol", "--desk", "desk1", "--user", "alice", "--label", "blue card", "--pin"),
        *("--socket", "x"),
    )
    assert "put the card in at desk1, within 120 s" in words
    assert "piv:1 opens sessions of alice" in words
    assert hostd.asked == [
        "enrol desk1 alice pin blue%20card",
        "enrolment desk1",
        "enrolment desk1",
    ]


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ([{"error": "desk1 is no reader desk"}], "no reader desk"),
        ([{"seconds": 1}, {"error": "no card was put in"}, {}], "no card was put in"),
        ([{"seconds": 1}, {"token": "uid:1", "outcome": "belongs to bob"}], "belongs to bob"),
    ],
)
def test_an_enrolment_that_fails_is_told(hostd, capsys, answers, told):
    hostd.answers = answers
    line = ["card", "enrol", "--desk", "desk1", "--user", "alice", "--socket", "x"]
    assert main(line) == 1
    assert told in capsys.readouterr().err
    assert hostd.answers == []


def test_who_gives_up_waiting_cancels(hostd, monkeypatch):
    hostd.answers = [{"seconds": 1}, {"token": "", "outcome": ""}, {}]

    def interrupt(_seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(roamctl_cards.time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        main(["card", "enrol", "--desk", "desk1", "--user", "alice", "--socket", "x"])
    assert hostd.asked[-1] == "enrol-cancel desk1"


def test_seen_tokens(hostd, run):
    row = {"token": "uid:1", "dtu": "desk1", "proven": False, "subject": "", "at_ms": 0}
    hostd.answers = [{"seen": [row]}, {"seen": []}]
    assert "uid:1  desk1  no      1970-01-01 00:00" in run("token", "seen", "--socket", "x")
    assert "no card was put in" in run("token", "seen", "--socket", "x")


# The policy in the group's folder


def test_a_new_group_has_a_policy_and_servers_get_it(group, tmp_path, run):
    shown = run("group", "policy", "--dir", group)
    assert f"# policy {policy_hash(SETTINGS.defaults())}" in shown
    assert "after_hotdesk" in shown
    (group / "policy.toml").write_text("login = true\n")
    folder = group / "piv_cas"
    folder.mkdir()
    ca, old = Authority("ca"), Authority("old")
    for name, data in (("ca.pem", ca.pem), ("ca.crl", ca.revoke()), ("old.pem", old.pem)):
        (folder / name).write_bytes(data)
    out = tmp_path / "out"
    run("group", "export", "--dir", group, "--out", out)
    assert (out / "policy.toml").read_text() == "login = true\n"
    assert {path.name for path in (out / "piv_cas").iterdir()} == {"ca.pem", "ca.crl", "old.pem"}
    before = json.loads(run("group", "policy", "--dir", out, "--json"))["policy"]
    (folder / "old.pem").unlink()
    (out / "piv_cas" / "fresh.crl").write_bytes(ca.revoke())
    run("group", "export", "--dir", group, "--out", out)
    assert {path.name for path in (out / "piv_cas").iterdir()} == {"ca.pem", "ca.crl", "fresh.crl"}
    assert json.loads(run("group", "policy", "--dir", out, "--json"))["policy"] != before


def test_a_wrong_policy_is_not_exported(group, tmp_path, fails):
    (group / "policy.toml").write_text('uid = "kiosk"\n')
    assert "kiosk_user" in fails("group", "export", "--dir", group, "--out", tmp_path / "out")
    assert "kiosk_user" in fails("group", "policy", "--dir", group)
    assert "there is no folder" in fails("group", "policy", "--dir", tmp_path / "none")
