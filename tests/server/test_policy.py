"""The policy's table, its hash for the group, and what does not fit together in it."""

import pytest

from roamwire.settings import SettingsError
from roamwire.tokens import Token
from sessionhost.adapters.policy_file import default_text, load_policy
from sessionhost.core.policy import SETTINGS, Extra, Policy, Who, policy_hash, policy_of


def made(**given):
    return policy_of(SETTINGS.resolve(given, "policy.toml"), "policy.toml")


def test_the_defaults_are_the_tables():
    assert made() == Policy()


def test_names_become_what_they_mean():
    policy = made(uid="kiosk", kiosk_user="guest", after_hotdesk="pin", pseudo="off")
    assert policy.who(Token("uid", "1")) is Who.KIOSK
    assert policy.who(Token("pseudo", "d")) is Who.OFF
    assert policy.who(Token("user", "alice")) is Who.OFF
    assert policy.after_hotdesk is Extra.PIN
    assert policy.wants_pin
    assert not made().wants_pin


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"lock_on_removal": True}, "do nothing without 'after_hotdesk'"),
        ({"grace_s": 30}, "do nothing without 'after_hotdesk'"),
        ({"uid": "chained"}, "must be one of"),
        ({"piv": "anybody"}, "must be one of"),
        ({"uid": "kiosk"}, "kiosk_user"),
        ({"piv": "chained"}, "chained_domains"),
        ({"piv_hours": "at night"}, "time window"),
        ({"kiosk_user": "Not A User"}, "not a Unix user"),
        ({"chained_domains": ["a b"]}, "not a domain"),
        ({"user_tries": 0}, "1 to 100"),
        ({"after_hotdeks": "pin"}, "did you mean 'after_hotdesk'"),
    ],
)
def test_what_does_not_fit_is_told(given, told):
    with pytest.raises(SettingsError, match=told):
        made(**given)


def test_a_grace_goes_with_what_it_spares():
    policy = made(after_hotdesk="password", grace_s=30, lock_on_removal=True)
    assert (policy.grace_s, policy.lock_on_removal) == (30, True)


def test_a_chained_name_without_a_domain_needs_none():
    assert made(piv="chained", chained_user="cn").piv is Who.CHAINED


def test_the_hash_is_of_what_was_set():
    plain = SETTINGS.defaults()
    other = plain | {"login": True}
    assert policy_hash(plain) == policy_hash(dict(reversed(plain.items())))
    assert policy_hash(plain) == policy_hash({k: v for k, v in plain.items() if k != "login"})
    assert len(policy_hash(other)) == 16
    assert len({policy_hash(plain), policy_hash(other), policy_hash(plain, ["ab"])}) == 3
    assert policy_hash(plain, ["ab", "cd"]) == policy_hash(plain, ["cd", "ab"])


def test_a_group_without_a_policy_has_the_defaults(tmp_path):
    loaded = load_policy(tmp_path)
    assert loaded.policy == Policy()
    (tmp_path / "policy.toml").write_text(default_text())
    assert load_policy(tmp_path) == loaded
    assert loaded.text == default_text()


def test_a_policy_is_read_from_its_file(tmp_path):
    (tmp_path / "policy.toml").write_text('login = true\nuid = "off"\n')
    loaded = load_policy(tmp_path)
    assert (loaded.policy.login, loaded.policy.uid) == (True, Who.OFF)
    assert loaded.digest != load_policy(tmp_path / "nowhere").digest


@pytest.mark.parametrize("data", [b"login = 1\n", b"\xff\xfe", b"uid = \n"])
def test_a_broken_policy_stops_the_server(tmp_path, data):
    (tmp_path / "policy.toml").write_bytes(data)
    with pytest.raises(SettingsError, match=r"policy\.toml"):
        load_policy(tmp_path)
