"""The display gateway with real TLS, real sessions, and its sudden death."""

import contextlib
import select
import signal
import socket
import ssl
import threading
import time
from dataclasses import dataclass

import pytest
from host_side import host_side
from rfb_probe import RfbProbe, attach, painted
from server_box import Authority, server_box, wait_for

from roamwire.control import Attach, Attached, Kind, Notice, encode_line, parse_line
from sessionhost.adapters.display_client import DisplayClosed, DisplayOpened, DisplayUp
from sessionhost.core.sound_gate import MAX_CHANNELS

pytestmark = pytest.mark.system


@dataclass(frozen=True)
class Desks:
    """Where the gateway is, and the TLS identities of the desks."""

    port: int
    of: dict[str, ssl.SSLContext]


@pytest.fixture(scope="module")
def box():
    with server_box() as made:
        made.start("launcherd")
        made.start("displayd", "roamdesk-display")
        yield made


@pytest.fixture(scope="module")
def desks(box):
    contexts = {name: box.authority.client_context(name) for name in ("desk1", "desk2")}
    return Desks(box.port, contexts)


@pytest.fixture
def host(box):
    with host_side(box) as side:
        wait_for(lambda: side.launcher.connected, what="connection to launcherd")
        assert isinstance(side.next_display_event(), DisplayUp)
        yield side
        for session in side.running():
            side.stop(session.session)


def shown(answer):
    """Session and epoch that the gateway names; each has sound to offer."""
    attached = parse_line(answer)
    assert isinstance(attached, Attached), answer
    assert attached.sound
    return attached.session, attached.epoch


def show(host, desks, session, epoch, rfb, desk="desk1"):
    """A desk that shows a session."""
    ticket = f"{session}-{epoch}-{time.monotonic_ns()}"
    host.grant(session, epoch, ticket, rfb, desk)
    connection, answer = attach(desks.port, desks.of[desk], encode_line(Attach(ticket)))
    assert shown(answer) == (session, epoch)
    assert host.next_display_event() == DisplayOpened(session, epoch)
    return RfbProbe(connection)


def answer_to(port, context, ticket) -> bytes:
    """The gateway's answer line; empty if TLS does not even get that far."""
    try:
        connection, answer = attach(port, context, encode_line(Attach(ticket)))
    except OSError:  # TLS alerts and resets alike
        return b""
    connection.close()
    return answer


def refusal(desks, ticket, desk="desk1"):
    connection, answer = attach(desks.port, desks.of[desk], encode_line(Attach(ticket)))
    notice = parse_line(answer)
    assert isinstance(notice, Notice), answer
    assert connection.recv(1) == b""
    connection.close()
    return notice.text


def test_a_desk_sees_and_uses_its_session(box, host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 1, rfb)
    probe.until(painted)
    notes = box.home("alice") / "notes.txt"
    notes.unlink(missing_ok=True)
    probe.type("through the gateway")
    probe.control("s")
    wait_for(lambda: notes.exists() and "through" in notes.read_text(), what="saved")
    probe.close()
    assert host.next_display_event() == DisplayClosed("s1", 1, "dtu")


def test_a_ticket_is_good_once_and_for_its_desk_only(host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 1, rfb)
    assert refusal(desks, "s1-1") == "display refused: ticket"
    host.grant("s1", 2, "stolen", rfb, "desk1")
    assert refusal(desks, "stolen", "desk2") == "display refused: dtu"
    assert refusal(desks, "stolen", "desk1") == "display refused: ticket"
    probe.close()


def test_a_ticket_expires(host, desks):
    host.grant("s1", 50, "short", "/nowhere", ttl_ms=1)
    time.sleep(0.05)
    assert refusal(desks, "short") in ("display refused: expired", "display refused: ticket")


def test_a_newer_epoch_ends_the_older_at_once(host, desks):
    rfb = host.ready("s1")
    first = show(host, desks, "s1", 100, rfb)
    first.until(painted)
    began = time.monotonic()
    host.grant("s1", 101, "newer", rfb, "desk2")
    assert first.ended()
    assert time.monotonic() - began < 0.5
    assert host.next_display_event() == DisplayClosed("s1", 100, "epoch")
    connection, answer = attach(desks.port, desks.of["desk2"], encode_line(Attach("newer")))
    assert shown(answer) == ("s1", 101)
    assert host.next_display_event() == DisplayOpened("s1", 101)
    second = RfbProbe(connection)
    second.until(painted)
    host.grant("s1", 100, "older", rfb, "desk1")
    assert host.next_display_event() == DisplayClosed("s1", 100, "refused epoch")
    assert refusal(desks, "older") == "display refused: ticket"
    second.until(painted)
    first.close()
    second.close()


def test_revoke_blanks_the_desk_at_once(host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 200, rfb)
    probe.until(painted)
    host.revoke("s1", 200)
    assert probe.ended()
    assert host.next_display_event() == DisplayClosed("s1", 200, "revoked")
    probe.close()


def test_the_end_of_a_session_ends_its_display(host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 300, rfb)
    host.stop("s1")
    assert probe.ended()
    assert host.next_display_event() == DisplayClosed("s1", 300, "session")
    probe.close()


def test_a_session_that_is_not_there(host, desks):
    host.grant("s9", 1, "gone", "/run/nowhere")
    assert refusal(desks, "gone") == "the session does not answer"
    assert host.next_display_event() == DisplayClosed("s9", 1, "session")


def test_only_certificates_of_the_group_get_in(box, desks, tmp_path):
    stranger = Authority(tmp_path, "another").client_context("desk1")
    stranger.load_verify_locations(box.authority.certificate)
    nobody = ssl.create_default_context(cafile=str(box.authority.certificate))
    nobody.check_hostname = False
    old = box.authority.client_context("desk1")
    old.maximum_version = ssl.TLSVersion.TLSv1_2

    assert [answer_to(box.port, context, "x") for context in (stranger, nobody, old)] == [b""] * 3
    assert answer_to(box.port, desks.of["desk1"], "x").startswith(b"notice ")


def test_a_servers_certificate_is_no_desks(box, host):
    rfb = host.ready("s1")
    host.grant("s1", 30, "mine", rfb, "desk1")
    context = ssl.create_default_context(cafile=str(box.authority.certificate))
    context.check_hostname = False
    context.load_cert_chain(*box.authority.issue("server", "desk1"))
    assert not answer_to(box.port, context, "mine").startswith(b"attached")


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe\n",
        b"nonsense\n",
        b"attach\n",
        b"x" * 5000,
        b"keepalive n=1\n",
    ],
)
def test_a_bad_first_line_is_the_end_of_it(host, desks, line):
    connection, answer = attach(desks.port, desks.of["desk1"], line)
    assert answer == b""
    connection.close()
    assert refusal(desks, "still-there") == "display refused: ticket"


def test_sessions_and_other_daemons_survive_a_killed_gateway(box, host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 400, rfb)
    probe.until(painted)
    before = box.find("Xtigervnc")
    box.end("displayd", signal.SIGKILL)
    assert probe.ended()
    probe.close()
    wait_for(lambda: not host.display.connected, what="the loss is noticed")
    host.grant("s1", 401, "early", rfb, "desk1")  # waits for the gateway
    box.start("displayd", "roamdesk-display")
    assert isinstance(host.next_display_event(), DisplayUp)
    connection, answer = attach(desks.port, desks.of["desk1"], encode_line(Attach("early")))
    assert shown(answer) == ("s1", 401)
    again = RfbProbe(connection)
    again.until(painted)
    again.close()
    assert box.find("Xtigervnc") == before


def test_a_display_survives_a_killed_launcher_and_host(box, host, desks):
    rfb = host.ready("s1")
    probe = show(host, desks, "s1", 500, rfb)
    box.end("launcherd", signal.SIGKILL)
    box.start("launcherd")
    with host_side(box) as other:
        assert isinstance(other.next_display_event(), DisplayUp)
        assert other.next_display_event() == DisplayOpened("s1", 500)
    probe.until(painted)
    probe.close()
    wait_for(lambda: host.launcher.connected, what="connected again")


def test_a_desk_that_does_not_read_does_not_stop_the_others(host, desks):
    rfb = host.ready("s1")
    slow = show(host, desks, "s1", 600, rfb)
    for _ in range(40):  # 160 MB of frames that nobody takes
        slow._incremental = 0
        slow._socket.sendall(bytes((3, 0)) + bytes(4) + bytes((5, 0, 3, 32)))
    other = host.ready("s2", "bob")
    fast = show(host, desks, "s2", 600, other, "desk2")
    fast.until(painted)
    host.revoke("s1", 600)
    assert host.next_display_event() == DisplayClosed("s1", 600, "revoked")
    slow.close()
    fast.close()


def test_a_frame_passes_quickly(host, desks):
    probe = show(host, desks, "s1", 700, host.ready("s1"))
    probe.until(painted)
    times = []
    for _ in range(20):
        began = time.monotonic()
        probe._incremental = 0
        probe.update()
        times.append(time.monotonic() - began)
    print("4 MB raw frame through TLS, ms:", [round(each * 1000) for each in sorted(times)])
    assert sorted(times)[10] < 0.25
    probe.close()


def test_many_desks_at_once(host, desks):
    rfb = host.ready("s1")
    answers = []

    def knock() -> None:
        connection, answer = attach(desks.port, desks.of["desk1"], encode_line(Attach("none")))
        answers.append(answer)
        connection.close()

    threads = [threading.Thread(target=knock) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 50
    probe = show(host, desks, "s1", 800, rfb)
    probe.close()


def test_a_port_in_use_is_said(box, tmp_path):
    config = box.root / "second.toml"
    text = box.config.read_text().replace(f'"{box.root}/run"', f'"{box.root}/run2"')
    config.write_text(text)
    run_dir = box.root / "run2"
    run_dir.mkdir(exist_ok=True)
    run_dir.chmod(0o1777)
    line = ("/usr/bin/python3", "-m", "sessionhost.app.displayd", "--config", str(config))
    answer = box.run(*line, user="roamdesk-display")
    assert answer.returncode == 1
    assert f"TCP port {box.port} is in use (setting display_port)" in answer.stderr
    run_dir.chmod(0o700)
    answer = box.run(*line, user="roamdesk-display")
    assert answer.returncode == 1
    assert "may not create its socket" in answer.stderr


def sound_ticket(host, desks, session, epoch, rfb):
    """A desk that shows a session, and the ticket for its sound."""
    host.grant(session, epoch, f"{session}-{epoch}", rfb, "desk1")
    line = encode_line(Attach(f"{session}-{epoch}"))
    connection, answer = attach(desks.port, desks.of["desk1"], line)
    assert host.next_display_event() == DisplayOpened(session, epoch)
    return connection, parse_line(answer).sound


def sound_channel(desks, ticket, desk="desk1"):
    """A channel for sound, of which nothing is heard until the session has something to say."""
    plain = socket.create_connection(("127.0.0.1", desks.port), timeout=5)
    channel = desks.of[desk].wrap_socket(plain)
    channel.sendall(encode_line(Attach(ticket, Kind.SOUND)))
    return channel


def sound_answer(channel):
    with channel:
        return parse_line(channel.recv(1024).splitlines()[0])


def test_sound_is_for_the_desk_that_shows_the_session(host, desks):
    display, ticket = sound_ticket(host, desks, "s1", 9000, host.ready("s1"))
    with display:
        taken = Attached("s1", 9000)
        assert sound_answer(sound_channel(desks, ticket)) == taken  # its sound server was waiting
        for other, desk, reason in (
            ("s1-9000", "desk1", "ticket"),
            ("", "desk1", "ticket"),
            (ticket, "desk2", "dtu"),
        ):
            refused = sound_answer(sound_channel(desks, other, desk))
            assert refused == Notice(0, 61, f"sound refused: {reason}")
        assert refusal(desks, ticket) == "display refused: ticket"  # no picture for it
    assert host.next_display_event() == DisplayClosed("s1", 9000, "dtu")
    refused = sound_answer(sound_channel(desks, ticket))
    assert refused == Notice(0, 61, "sound refused: ticket")


def test_a_revoked_epoch_ends_sound_at_once(host, desks):
    display, ticket = sound_ticket(host, desks, "s1", 9010, host.ready("s1"))
    channels = [sound_channel(desks, ticket) for _ in range(MAX_CHANNELS)]
    # Loudspeaker and microphone are taken at once, two wait; there is no place for one more.
    carried = [channel for channel in channels if select.select([channel], [], [], 5)[0]][:2]
    assert len(carried) == 2
    refused = sound_answer(sound_channel(desks, ticket))
    assert refused == Notice(0, 61, "sound refused: full")
    host.revoke("s1", 9010)
    began = time.monotonic()
    for channel in channels:
        with contextlib.suppress(OSError):  # a reset is as good an end
            while channel.recv(4096):
                pass
        channel.close()
    assert time.monotonic() - began < 0.5
    display.close()
