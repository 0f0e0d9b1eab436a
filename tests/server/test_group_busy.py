"""A flood of inserts waits for its turn; hosts of the patent's form are shown and not asked."""

import hashlib
import hmac
from ipaddress import IPv4Address

import pytest

from fakes.lan import ALICE, GROUP_PORT, SECRETS, Site, interface, manager
from roamwire.control import Redirect
from roamwire.datagrams import Host, encode_datagram
from roamwire.signing import GroupSecrets
from sessionhost.core.group import MAX_QUESTIONS

DTU = IPv4Address("10.0.0.200")


def test_an_insert_during_a_flood_waits_and_then_finds_its_session():
    site = Site("s1", "s2")
    site.run(3.0)
    site.core("s1").group.standing.drain = True
    site.desk("s2").insert(ALICE)
    site.run(2.0)
    (session,) = [each.session for name in ("s1", "s2") for each in site.core(name).sessions]
    for _ in range(MAX_QUESTIONS):
        site.core("s1").group.ask("ff" * 32, DTU, site.now)
    second = site.desk("s1")
    second.insert(ALICE)
    site.run(2.0)
    (redirect,) = second.told(Redirect)
    assert redirect.host == "s2"
    found = [each.session for name in ("s1", "s2") for each in site.core(name).sessions]
    assert found == [session], "no second session was made for want of an answer"


@pytest.mark.parametrize("classic", [True, False])
def test_a_host_of_the_patents_form_is_trusted_only_if_configured_and_never_asked(classic):
    secrets = GroupSecrets(SECRETS.current, classic=classic)
    one = manager("s1", "10.0.0.1", secrets)
    old = Host("mud", IPv4Address("10.0.0.9"), 950739941, interfaces=(interface("10.0.0.9"),))
    body = encode_datagram(old)
    mark = hmac.new(SECRETS.current, body, hashlib.sha1).hexdigest().encode()
    one.receive_datagram(body + b" sig=" + mark, ("10.0.0.9", GROUP_PORT), "eth0", 10.0)
    (view,) = one.topology.view(10.0)
    assert (view.host, view.trusted) == ("mud", classic)
    one.ask("00" * 32, DTU, 10.0)
    assert not one.busy
    assert [each.host for each in one.servers_for(DTU, 10.0)] == ["s1"]
    assert not any(out.address == "10.0.0.9" for out in one.datagrams_to_send(10.0))
