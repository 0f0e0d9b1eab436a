"""A terminal's key that others can read, or that somebody else put there, is not used."""

import datetime
import os
import ssl

import pytest

from dtu.app import main, tls
from dtu.app.identity import DeskIdentity
from dtu.app.tls import IdentityError, KeyOpenError, client_context
from roamwire.identity import Identity
from sessionhost.adapters import pki

NOW = datetime.datetime.now(datetime.UTC)


@pytest.fixture
def files(tmp_path):
    """The group's CA, this terminal's certificate and key."""
    issued = pki.create_group(tmp_path / "group", "lab", NOW, os.urandom).issue(
        Identity("dtu", "desk1"), NOW
    )
    (tmp_path / "dtu.crt").write_bytes(issued.certificate)
    (tmp_path / "dtu.key").write_bytes(issued.key)
    (tmp_path / "dtu.key").chmod(0o600)
    return tmp_path / "group" / "ca.crt", tmp_path / "dtu.crt", tmp_path / "dtu.key"


@pytest.fixture
def desk(files, tmp_path):
    return DeskIdentity("desk1", *files, tmp_path)


@pytest.fixture
def user(monkeypatch):
    """Who the terminal runs as, by its number."""
    return lambda uid: monkeypatch.setattr(tls.os, "geteuid", lambda: uid)


def test_a_key_that_is_ours_alone_is_used(files, desk):
    assert isinstance(client_context(*files), ssl.SSLContext)
    assert isinstance(desk.context(), ssl.SSLContext)
    files[2].chmod(0o400)
    assert isinstance(desk.context(), ssl.SSLContext)


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666, 0o660, 0o620])
def test_a_key_that_others_can_reach_is_refused(files, desk, mode):
    files[2].chmod(mode)
    for use in (lambda: client_context(*files), desk.context):
        with pytest.raises(KeyOpenError, match=f"permissions {mode:04o}.*chmod 06.0"):
            use()


def test_also_before_there_is_a_certificate(files, desk):
    """Else one would be asked for, again and again, for a key that somebody else has."""
    files[1].unlink()
    assert desk.context() is None
    files[2].chmod(0o644)
    with pytest.raises(KeyOpenError, match="remove it instead"):
        desk.context()
    files[2].unlink()
    assert desk.context() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give files away")
def test_whose_key_it_may_be(files, user):
    os.chown(files[2], 990, 990)
    client_context(*files)  # root looks after the terminal: the self-test
    user(990)
    client_context(*files)
    user(991)
    with pytest.raises(KeyOpenError, match=r"belongs to user 990.*chown 991"):
        client_context(*files)
    files[2].chmod(0o640)
    user(990)
    with pytest.raises(KeyOpenError, match="permissions 0640"):
        client_context(*files)
    os.chown(files[2], 0, 990)  # as servers' keys: root's, for one group
    client_context(*files)


def test_a_missing_key_is_told_as_before(files):
    files[2].unlink()
    with pytest.raises(IdentityError, match="cannot use this terminal's identity"):
        client_context(*files)


def test_a_terminal_does_not_start_with_it(files, tmp_path, caplog, monkeypatch):
    monkeypatch.delenv("SDL_VIDEODRIVER", raising=False)
    files[2].chmod(0o644)
    settings = tmp_path / "dtu.toml"
    settings.write_text(
        'name = "desk1"\ndisplay = "headless"\ncard = "scripted"\ninput = "scripted"\n'
        'network = "scripted"\nsound = "none"\nca = "group/ca.crt"\ncert = "dtu.crt"\n'
        'key = "dtu.key"\nstate_dir = "."\nrun_dir = "."\n'
    )
    monkeypatch.setattr(main, "forbid_core_dumps", lambda: None)  # it would hold for all tests
    assert main.main(["--config", str(settings)]) == 1
    assert f"cannot start: this terminal's key {files[2]} has permissions 0644" in caplog.text
