"""Known-bad changes of the cores, each by name: what the simulator's checkers must catch.

A mutant replaces one attribute of one class or module. None of them is wrong in a way that a type
checker or a crash would show.
"""

import dataclasses
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from dtu.core import terminal
from dtu.core.actions import Blank
from dtu.core.finder import Finder
from dtu.core.heartbeat import Heartbeat
from roamwire import control
from roamwire.notices import DisconnectReason
from roamwire.proof import Proof
from roamwire.replay import ReplayGuard
from roamwire.signing import GroupSecrets, Signed
from roamwire.tickets import RedirectTicket
from sessionhost.core import authentication, gateway, insert, links, selection, server
from sessionhost.core.block_exchange import BlockExchange
from sessionhost.core.blocking import Blocking
from sessionhost.core.blocks import BlockSet
from sessionhost.core.fencing import Fence
from sessionhost.core.group import GroupManager
from sessionhost.core.proving import Prover
from sessionhost.core.questions import Question
from sessionhost.core.registration import Owner, Registration
from sessionhost.core.screens import Screens
from sessionhost.core.selection import ServerSelection
from sessionhost.core.sessions import Attachment, SessionManager
from sessionhost.core.topology import Topology
from sessionhost.core.vouchers import Vouchers

Terminal, ServerCore = terminal.Terminal, server.ServerCore


@dataclasses.dataclass(frozen=True)
class Mutant:
    """`rules`: the checkers that may catch it; another one would catch it by accident."""

    name: str
    rules: tuple[str, ...]
    parts: tuple[tuple[Any, str, Any], ...]

    @contextmanager
    def alive(self):
        """The cores are changed inside this block."""
        with ExitStack() as stack:
            for target, name, replacement in self.parts:
                stack.enter_context(patch.object(target, name, replacement))
            yield


MUTANTS: list[Mutant] = []


def mutant(*rules: str, target: Any, attribute: str) -> Callable[[Any], Any]:
    """The decorated function is the bad replacement."""

    def note(replacement):
        MUTANTS.append(Mutant(replacement.__name__, rules, ((target, attribute, replacement),)))
        return replacement

    return note


def constant(name: str, *rules: str, target: Any, attribute: str, value: Any) -> None:
    """A bad constant."""
    MUTANTS.append(Mutant(name, rules, ((target, attribute, value),)))


# Sessions, epochs, attachments


@mutant("epoch", target=SessionManager, attribute="attach")
def epoch_not_raised(self, session, link, dtu, now):
    before = session.attachment
    session.last_connected = now
    session.epoch = max(1, session.epoch)
    session.attachment = Attachment(link, dtu, session.epoch)
    return before


@mutant("one screen", "settled", target=Screens, attribute="cut")
def previous_desk_is_not_told(self, session, reason, now, *, desk="", by=None):
    if session.attachment is not None:
        self._sessions.detach(session, session.attachment.epoch, now)


_adopt = SessionManager.adopt


@mutant("epoch", target=SessionManager, attribute="adopt")
def epochs_forgotten_at_restart(self, session):
    _adopt(self, dataclasses.replace(session, epoch=0))


@mutant("settled", "attached", "one screen", "blocked", target=ServerCore, attribute="_leave")
def remove_ignored(self, link, now):
    link.inserting = None


# Which session wins


@mutant("most recent", target=insert, attribute="_claim_order")
def oldest_session_wins(claim):
    return -claim.age, claim.epoch, claim.session


@mutant("most recent", target=ServerSelection, attribute="_known_owner")
def token_not_recognised(self, digest):
    return None


@mutant("most recent", target=Question, attribute="over")
def answers_not_awaited(self, now):
    return True


@mutant("most recent", target=Topology, attribute="live")
def live_hosts_by_their_own_clocks(self):
    return [record for record in self._trusted.values() if abs(record.timeoff) < 10]


@mutant("lost", target=GroupManager, attribute="ask")
def lost_host_is_asked(self, digest, dtu, now, *, lost=""):
    return _ask(self, digest, dtu, now)


_ask = GroupManager.ask
_decide = insert.decide


def _decide_again(here, answers, **rest):
    return _decide(here, answers, **{**rest, "lost": ""})


MUTANTS[-1] = Mutant(
    "lost_host_is_a_target",
    ("lost", "attached"),
    (*MUTANTS[-1].parts, (selection, "decide", _decide_again)),
)


def _decide_endlessly(here, answers, **rest):
    return _decide(here, answers, **{**rest, "hops": 0})


MUTANTS.append(
    Mutant(
        "redirects_without_end",
        ("hops",),
        (
            (selection, "decide", _decide_endlessly),
            (ServerSelection, "_ends_here", lambda self, token, ticket, now: False),
        ),
    )
)


# Whose a session is

MUTANTS.append(
    Mutant(
        "sessions_go_with_the_token_whoever_has_it",
        ("owner", "exception"),
        (
            (Owner, "__eq__", lambda self, other: self.token == other.token),
            (Owner, "__hash__", lambda self: hash(self.token)),
        ),
    )
)


# Proof: tickets, signatures, replays


@mutant("unsigned", "most recent", target=Vouchers, attribute="redeem_ticket")
def ticket_not_checked(self, text, owner, secrets, *, dtu, host, now):
    return RedirectTicket("?", dtu, "", host, "", 0, user=text.split("~")[9])


@mutant("unsigned", "most recent", target=Vouchers, attribute="redeem")
def ticket_good_twice(self, nonce, digest, now):
    return self._nonces.get(nonce, ("", 0.0))[0] == digest


@mutant("unsigned", target=ReplayGuard, attribute="accept")
def replays_accepted(self, host, boot, seq):
    return True


@mutant("unsigned", target=GroupManager, attribute="_probe")
def any_boot_is_the_present_one(self, message, source, now):
    self._present[message.host] = message.boot
    if hasattr(message, "interfaces"):
        self._heard(message, True, source, now)


_verify = GroupSecrets.verify


@mutant("unsigned", target=GroupSecrets, attribute="verify")
def unsigned_is_trusted(self, datagram):
    return Signed(_verify(self, datagram).body, trusted=True)


@mutant("unsigned", target=Topology, attribute="mark_down")
def silent_host_stays_live(self, now):
    return []


_looked_up = ServerCore.looked_up


@mutant("proof", target=ServerCore, attribute="looked_up")
def unknown_card_gets_a_session(self, link, seq, found, now, *, failed=False):
    _looked_up(self, link, seq, found or Registration("guest", enabled=True), now)


# An answer that was meant for another card lets a stranger in, or keeps a registered card out.
@mutant("proof", "attached", target=ServerCore, attribute="looked_up")
def answer_for_another_card(self, link, seq, found, now, *, failed=False):
    here = self._links.get(link)
    if here is not None and here.inserting is not None:
        _looked_up(self, link, here.inserting.seq, found, now)


_entry = authentication.entry


@mutant("proof", target=authentication, attribute="entry")
def proof_of_a_card_is_skipped(policy, case):
    return _entry(policy, dataclasses.replace(case, proofs=case.proofs | {Proof.CARD}))


_proven = Prover.verified


@mutant("proof", target=Prover, attribute="verified")
def any_signature_is_taken(self, inserting, data, facts):
    return _proven(self, inserting, data, dataclasses.replace(facts, problem=None))


@mutant("proof", target=Prover, attribute="verified")
def any_key_is_taken(self, inserting, data, facts):
    key = facts.key if inserting is None else inserting.token.value
    return _proven(self, inserting, data, dataclasses.replace(facts, key=key))


_gate_attach = gateway.DisplayGate.attach


@mutant("proof", target=gateway.DisplayGate, attribute="attach")
def display_ticket_for_any_desk(self, ticket, dtu, now):
    grant = self._grants.get(gateway._key(ticket))
    return _gate_attach(self, ticket, grant.dtu if grant else dtu, now)


@mutant("proof", target=gateway.DisplayGate, attribute="attach")
def display_ticket_good_twice(self, ticket, dtu, now):
    grant = self._grants.get(gateway._key(ticket))
    verdict = _gate_attach(self, ticket, dtu, now)
    if grant is not None:
        self._grants[gateway._key(ticket)] = grant
    return verdict


@mutant("one screen", target=gateway.DisplayGate, attribute="_closing")
def older_display_stays_open(self, session, up_to, reason):
    return ()


# The terminal


@mutant("proof", target=Terminal, attribute="_card_out")
def picture_stays_when_the_card_goes(self):
    _card_out(self)
    if Blank() in self._out._actions:
        self._out._actions.remove(Blank())


_card_out = Terminal._card_out


_disconnected = Terminal._disconnected


@mutant("one screen", target=Terminal, attribute="_disconnected")
def loser_takes_it_back(self, line, now):
    if line.reason == DisconnectReason.TAKEN_OVER.value and line.seq == self._card.seq:
        line = dataclasses.replace(line, reason=DisconnectReason.FAILED.value)
    _disconnected(self, line, now)


_dispatch = Terminal._dispatch


@mutant("proof", target=Terminal, attribute="_dispatch")
def answer_to_a_card_that_is_out_is_obeyed(self, line, now):
    if isinstance(line, control.Connect) and line.seq != self._card.seq:
        self._open_display(line)
    _dispatch(self, line, now)


@mutant("attached", target=Heartbeat, attribute="beat")
def silent_server_is_never_lost(self, now):
    self.deadline = now + self._keepalive_s
    self._sent += 1
    return self._sent


@mutant("attached", target=Finder, attribute="next")
def only_one_server_is_tried(self, now, original=Finder.next):
    return self._listed[0] if self._listed else original(self, now)


constant("silent_links_are_kept", "one server", target=links, attribute="LINK_SILENT_S", value=1e9)


# Lost cards and revoked terminals


@mutant("blocked", target=Blocking, attribute="enforce")
def blocks_have_no_effect_on_what_is_shown(self, now):
    pass


@mutant("blocked", target=Blocking, attribute="refuses_token")
def lost_card_opens_its_session(self, link, token):
    return False


@mutant("blocked", target=Blocking, attribute="refuses_link")
def revoked_terminal_connects_again(self, link, dtu, now):
    return False


@mutant("blocked", target=BlockExchange, attribute="heard")
def summaries_are_not_compared(self, host, summary, address, now):
    pass


@mutant("blocked", "settled", target=BlockSet, attribute="_take")
def the_last_block_that_was_heard_holds(self, entry):
    self._entries[entry.entry] = entry
    self._highest = max(self._highest, entry.stamp)
    self._sorted = None
    return True


# One terminal for a card, over all servers


@mutant("one terminal", target=Fence, attribute="heard")
def nobody_gives_way_to_a_cloned_card(self, message, now):
    pass


@mutant("one terminal", target=Fence, attribute="host_up")
def healed_partitions_are_not_looked_at(self, host, now):
    pass


@mutant("one terminal", "attached", target=Fence, attribute="heard")
def the_older_card_wins(self, message, now):
    mine = self._same_card(message)
    if mine is not None and now - message.age / 1000 < mine.last_connected:
        self._lose(mine, message, now)
