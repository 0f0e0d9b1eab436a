"""Proofs at the terminal: the card signs, the person types a PIN or a password. No I/O, no words.

A server asks one thing at a time and for the present card event only; who checks that is
`terminal`. 9A is tried silently first: a card that was given its PIN since it went in signs.
"""

import base64
import enum
from collections.abc import Callable

from dtu.core import catalogue, timing
from dtu.core.actions import AskCard
from dtu.core.events import CardAnswered
from dtu.core.input.events import Key
from dtu.core.outbox import Outbox
from dtu.core.piv import results
from dtu.core.piv.results import MAX_PIN_CHARS, MIN_PIN_CHARS, Sign
from dtu.core.presence import Presence
from dtu.core.secret import ESCAPE, Entry, Form
from dtu.core.words import Field, Message
from roamwire.control import Answer, Ask, Challenge, Question, Response
from roamwire.limits import MAX_NAME_CHARS, MAX_PASSWORD_CHARS, MAX_TEXT_CHARS, MAX_VALUE_CHARS
from roamwire.proof import CardError, Slot, signed_bytes


class Step(enum.Enum):
    """Who is to do something now."""

    NOBODY = "nobody"
    CARD = "card"
    PIN = "pin"
    FORM = "form"


class Proving:
    """What the server has asked for; `message` is what the person sees of it, None if nothing.

    `changed` is called when `message` has changed; `asked` counts the pads and forms. `server` is
    the name in the certificate of the server that asks, `dtu` that in our own: both are signed.
    """

    def __init__(
        self, dtu: str, outbox: Outbox, card: Presence, changed: Callable[[], None]
    ) -> None:
        self.server = ""
        self.asked = 0
        self.step = Step.NOBODY
        self.message: Message | None = None
        self._dtu = dtu
        self._outbox = outbox
        self._card = card
        self._changed = changed
        self._number = 0
        self._challenge: Challenge | None = None
        self._ask: Ask | None = None
        self._form: Form | None = None
        self._words: Message | None = None
        self._until: float | None = None
        self._pad_until = 0.0

    @property
    def takes_keys(self) -> bool:
        """Whether what is typed is for this: also while the card looks at a PIN."""
        return self._form is not None

    @property
    def deadline(self) -> float | None:
        """When `handle_deadline` has something to do."""
        return self._until

    # What the server wants

    def challenge(self, line: Challenge, now: float) -> None:
        """The card is to sign."""
        self.stop()
        self._card.answered()
        self._challenge = line
        if self._card.piv is None:
            self._fail(CardError.NO_KEY, now)
        else:
            self._sign(None, now)

    def ask(self, line: Ask, now: float) -> None:
        """The person is to say something; there is no end to it but the server's."""
        self.stop()
        self._card.answered()
        self._ask = line
        password = Entry("password", MAX_PASSWORD_CHARS, hidden=True)
        named = line.what is Question.PASSWORD and line.user
        user = Entry("user", MAX_NAME_CHARS, hidden=False)
        for letter in line.user:
            user.add(letter)
        form = Form([password] if named else [user, password])
        form.place = 0 if named or not line.user else 1
        words = catalogue.question(line)
        self._open(Step.FORM, form, words.about(user=line.user) if named else words)

    def stop(self) -> None:
        """The card is out, the server is gone or has decided: what was typed is wiped."""
        shown, self.message = self.message, None
        if self._form is not None:
            self._form.wipe()
        self._challenge = self._ask = self._form = self._words = self._until = None
        self.step = Step.NOBODY
        if shown is not None:
            self._changed()

    # The card

    def _sign(self, pin: bytearray | None, now: float) -> None:
        challenge, token = self._challenge, self._card.token
        assert challenge is not None
        assert token is not None
        self._number += 1
        self.step = Step.CARD
        self._until = now + timing.CARD_ANSWER_S
        message = signed_bytes(
            server=self.server,
            dtu=self._dtu,
            token=token,
            slot=challenge.slot,
            seq=challenge.seq,
            data=challenge.data,
        )
        sign = Sign(self._number, self._card.insertion, challenge.slot, message, pin)
        self._outbox.put(AskCard(sign))

    def card_answered(self, event: CardAnswered, now: float) -> None:
        """What became of a request; of one that nobody waits for any more: nothing."""
        challenge, result = self._challenge, event.result
        mine = (self._number, self._card.insertion) == (event.number, event.insertion)
        if not mine or challenge is None or self.step is not Step.CARD:
            return
        match result:
            case results.Signed():
                self._signed(challenge, result, now)
            case results.PinNeeded(left=0) | results.PinWrong(left=0) | results.PinBlocked():
                self._fail(CardError.PIN_BLOCKED, now)
            case results.PinNeeded() if challenge.slot is Slot.PERSON:
                self._open_pad(catalogue.enter_pin(result.left), now)
            case results.PinWrong():
                self._outbox.report("the card refuses the PIN")
                self._open_pad(catalogue.wrong_pin(result.left), now)
            case results.PinUnusable():
                self._open_pad(catalogue.wrong_pin(None), now)
            case results.NoPiv() | results.NoCertificate():
                self._fail(CardError.NO_KEY, now)
            case results.NotDone(reason="gone"):
                self._fail(CardError.NO_CARD, now)
            case _:
                self._outbox.report(f"the card has not signed: {result}")
                self._fail(CardError.CARD_ERROR, now)

    def _signed(self, challenge: Challenge, result: results.Signed, now: float) -> None:
        signature = base64.b64encode(result.signature).decode("ascii")
        certificate = base64.b64encode(result.certificate.der).decode("ascii")
        if len(certificate) > MAX_VALUE_CHARS or len(signature) > 2 * MAX_TEXT_CHARS:
            self._fail(CardError.CARD_ERROR, now)  # longer than a line may be
            return
        self._outbox.send(Response(challenge.seq, signature, certificate))
        self._told(now, catalogue.PIN_ACCEPTED)

    def _told(self, now: float, words: Message, wait_s: float = timing.INSERT_ANSWER_S) -> None:
        """The server has its answer; where a form was, `words` are until it has decided."""
        typed = self._form is not None
        self.stop()
        self._card.asks(now, wait_s)
        if typed:
            self.message = words
            self._changed()

    def _fail(self, error: CardError, now: float) -> None:
        assert self._challenge is not None
        self._outbox.report(f"no proof by key {self._challenge.slot.value}: {error.value}")
        self._outbox.send(Response(self._challenge.seq, error=error))
        self._told(now, catalogue.OPENING)

    # The person

    def _open_pad(self, words: Message, now: float) -> None:
        """The time runs from the first PIN on: the challenge does not last longer for a second."""
        pad = Form([Entry("pin", MAX_PIN_CHARS, hidden=True, digits=True)])
        if self._form is None:
            self._pad_until = now + timing.PIN_PAD_S
        self._until = self._pad_until
        self._open(Step.PIN, pad, words)

    def _open(self, step: Step, form: Form, words: Message) -> None:
        self.asked += 1
        self.step, self._form, self._words = step, form, words
        self._paint()

    def _paint(self) -> None:
        assert self._form is not None
        assert self._words is not None
        fields = tuple(
            Field(entry.label, entry.seen, number == self._form.place)
            for number, entry in enumerate(self._form.entries)
        )
        self.message = self._words.with_fields(fields)
        self._changed()

    def key(self, key: Key, now: float) -> None:
        """A key that is for this. While the card or the server is at work nothing is heard."""
        form = self._form
        if form is None or not key.down or self.step not in (Step.PIN, Step.FORM):
            return
        if key.keysym == ESCAPE:
            self._cancel(now)
        elif not form.press(key):
            self._paint()
        elif self.step is Step.PIN:
            self._pin_typed(form, now)
        else:
            self._form_filled(form, now)

    def _pin_typed(self, form: Form, now: float) -> None:
        (entry,) = form.entries
        if len(entry) < MIN_PIN_CHARS:  # the card is not asked, so that it costs no try
            assert self._words is not None
            if "short" not in self._words.notes:
                self._words = catalogue.too_short(self._words, MIN_PIN_CHARS, MAX_PIN_CHARS)
                self._paint()
            return
        self._sign(entry.take(), now)
        self.message = catalogue.OPENING
        self._changed()

    def _form_filled(self, form: Form, now: float) -> None:
        ask = self._ask
        assert ask is not None
        typed = form.entries[-1].take()
        user = form.entries[0].seen if len(form.entries) > 1 else ask.user
        if user and typed:
            self._outbox.send(Answer(ask.seq, user, typed.decode("utf-8")))
            results.wipe(typed)
            self._told(now, catalogue.OPENING, timing.PASSWORD_ANSWER_S)
        else:
            form.place = 0 if not user else len(form.entries) - 1
            self._paint()

    def _cancel(self, now: float) -> None:
        if self.step is Step.PIN:
            self._fail(CardError.PIN_CANCELLED, now)
        elif self._ask is not None:
            self._outbox.send(Answer(self._ask.seq, cancel=True))
            self._told(now, catalogue.OPENING)

    def handle_deadline(self, now: float) -> None:
        """The person has walked away, or the card's driver says nothing."""
        if self._until is not None and now >= self._until:
            late = self.step is Step.PIN
            self._fail(CardError.PIN_CANCELLED if late else CardError.CARD_ERROR, now)
