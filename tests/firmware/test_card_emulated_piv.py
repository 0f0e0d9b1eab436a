"""The emulated PIV card by its APDUs, as SP 800-73-4 has them; OpenSC's word is in tests/system."""

import datetime
import os

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tests.fakes import piv

from roamtools.card.__main__ import main
from roamtools.card.holder import piv_card
from roamtools.card.piv import PIV_ATR, PivApplet
from roamtools.card.piv_keys import ManagementKey, public_template
from roamtools.card.piv_make import Order, clone, make_authority, make_card, read_authority
from roamtools.card.piv_state import PivState
from roamtools.card.tlv import split, wrap

SELECT = "00A4040009A00000030800001000"
VERIFY, VERIFIED = "0020008008313233343536FFFF", "00200080"
WRONG, BLANK = "0020008008313131313131FFFF", "313233343536FFFF"
AES_KEY = bytes(range(16))


class Desk:
    """A powered card with the application selected."""

    def __init__(self, state=None) -> None:
        self.state = state or piv.state()
        self.applet = PivApplet(self.state)
        self.card = piv_card(self.applet)
        assert self.ask(SELECT).startswith("61")

    def ask(self, apdu):
        return self.card.answer(bytes.fromhex(apdu)).hex()

    def chain(self, head, data):
        """A command in parts; the whole answer."""
        while len(data) > 255:
            part, data = data[:255], data[255:]
            assert self.ask(f"10{head}FF" + part.hex()) == "9000"
        answer = self.ask(f"00{head}{len(data):02X}{data.hex()}00")
        gathered = answer[:-4]
        while answer[-4:-2] == "61":
            answer = self.ask("00C00000" + answer[-2:])
            gathered += answer[:-4]
        return gathered + answer[-4:]

    def get(self, tag):
        return self.chain("CB3FFF", wrap("5C", bytes.fromhex(tag)))

    def administer(self, key=AES_KEY, algorithm="08"):
        """Mutual authentication with key 9B."""
        witness = split(
            split(bytes.fromhex(self.chain(f"87{algorithm}9B", wrap("7C", wrap("80", b"")))[:-4]))[
                "7c"
            ]
        )["80"]
        cipher = Cipher(algorithms.AES(key), modes.ECB())
        plain = cipher.decryptor().update(witness)
        challenge = os.urandom(16)
        answer = self.chain(
            f"87{algorithm}9B", wrap("7C", wrap("80", plain), wrap("81", challenge))
        )
        if answer.endswith("9000"):
            told = split(split(bytes.fromhex(answer[:-4]))["7c"])["82"]
            assert told == cipher.encryptor().update(challenge)
        return answer[-4:]


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
def admin():
    state = piv.state()
    state.management = ManagementKey(0x08, AES_KEY)
    return Desk(state)


def test_the_atr_has_the_check_byte_that_t1_wants():
    check = 0
    for byte in PIV_ATR[1:]:
        check ^= byte
    assert check == 0


def test_selecting(desk):
    told = split(bytes.fromhex(desk.ask(SELECT)[:-4]))["61"]
    assert split(told)["4f"].hex() == "000010000100"
    assert desk.ask("00A4040005A000000308")[-4:] == "9000"
    assert desk.ask("00A4040005A000000309") == "6a82"
    assert desk.ask(VERIFIED) == "63c3"  # still selected
    desk.card.reset()
    assert desk.ask(VERIFIED) == "6d00"


@pytest.mark.parametrize("tag", ["5fc102", "5fc107", "5fc105", "5fc101", "5fc106", "5fc10c"])
def test_objects_are_read_whole(desk, tag):
    assert desk.get(tag) == wrap("53", desk.state.objects[tag]).hex() + "9000"


def test_discovery_and_what_is_not_there(desk):
    assert desk.get("7e") == "7e124f0ba0000003080000100001005f2f024000" + "9000"
    assert desk.get("5fc10a") == "6a82"
    assert desk.ask("00CB000005 5C035FC102 00") == "6a86"
    assert desk.ask("00CB3FFF03 5C0A5F 00") == "6a80"


def test_an_answer_comes_as_it_is_asked_for(desk):
    whole = desk.get("5fc102")
    assert desk.ask("00CB3FFF055C035FC102") == f"61{(len(whole) - 4) // 2:02x}"
    assert desk.ask("00C0000002") == whole[:4] + f"61{(len(whole) - 8) // 2:02x}"
    assert desk.ask("00C0000000") == whole[4:]
    assert desk.ask("00C0000000") == "9000"


def test_what_is_read_only_with_the_pin(desk):
    assert desk.get("5fc109") == "6982"
    assert desk.ask(VERIFY) == "9000"
    assert desk.get("5fc109").endswith("9000")
    desk.card.reset()
    desk.ask(SELECT)
    assert desk.get("5fc109") == "6982"


def test_the_pin(desk):
    assert desk.ask(VERIFIED) == "63c3"
    assert desk.ask(WRONG) == "63c2"
    assert desk.ask("0020008008 313233 FFFFFFFFFF") == "6a80"
    assert desk.ask("0020000008" + BLANK) == "6a88"
    assert desk.ask("0020018008" + BLANK) == "6a86"
    assert desk.ask(VERIFIED) == "63c2"
    assert desk.ask(VERIFY) == "9000"
    assert desk.ask(VERIFIED) == "9000"
    assert desk.ask("0020FF80") == "9000"
    assert desk.ask(VERIFIED) == "63c3"
    for left in ("63c2", "63c1", "6983", "6983"):
        assert desk.ask(WRONG) == left
    assert desk.ask(VERIFY) == "6983"
    assert desk.ask(VERIFIED) == "6983"


def test_the_try_is_gone_before_the_pin_is_compared(tmp_path):
    """Power that is cut at the right moment gives no more tries."""
    state = piv.state()
    state.path = tmp_path / "card.json"
    desk = Desk(state)
    desk.ask(WRONG)
    assert PivState.load(state.path).pin.left == 2
    desk.ask(VERIFY)
    assert PivState.load(state.path).pin.left == 3


def test_a_new_pin_and_a_new_puk(desk):
    new = "363534333231FFFF"
    assert desk.ask("0024008010 313131313131FFFF" + new) == "63c2"
    assert desk.ask("0024008010" + BLANK + "3132FFFFFFFFFFFF") == "6a80"
    assert desk.ask("0024008010" + BLANK + new) == "9000"
    assert desk.ask("0024008110 3132333435363738 3837363534333231") == "9000"
    assert desk.ask("0024009A10" + BLANK + new) == "6a88"
    for _ in range(3):
        desk.ask(VERIFY)
    assert desk.ask(VERIFY) == "6983"
    assert desk.ask("002C008010 3132333435363738" + BLANK) == "63c2"
    assert desk.ask("002C008010 3837363534333231" + BLANK) == "9000"
    assert desk.ask(VERIFY) == "9000"


def signs(desk, slot, algorithm="11", data=bytes(32)):
    answer = desk.chain(f"87{algorithm}{slot}", wrap("7C", wrap("82", b""), wrap("81", data)))
    return answer[-4:]


def test_which_key_wants_the_pin_when():
    desk = Desk(make_card(Order(keys=dict.fromkeys((0x9A, 0x9C, 0x9D, 0x9E), "p256"))))
    assert signs(desk, "9E") == "9000"
    for slot in ("9A", "9C", "9D"):
        assert signs(desk, slot) == "6982"
    desk.ask(VERIFY)
    assert signs(desk, "9C") == "9000"
    assert signs(desk, "9C") == "6982"  # the PIN each time
    assert signs(desk, "9A") == signs(desk, "9A") == signs(desk, "9D") == "9000"
    assert desk.applet.operations == 5
    assert desk.applet.crypto_s > 0
    assert signs(desk, "9E", "07", bytes(256)) == "6a86"
    assert signs(desk, "9E", data=bytes(33)) == "6a80"
    assert signs(desk, "82") == "6a86"


def test_agreeing_on_a_secret():
    desk = Desk(make_card(Order(keys={0x9D: "p256"})))
    desk.ask(VERIFY)
    other = ec.generate_private_key(ec.SECP256R1())
    point = split(split(public_template(other))["7f49"])["86"]
    answer = bytes.fromhex(desk.chain("87119D", wrap("7C", wrap("82", b""), wrap("85", point))))
    mine = other.exchange(ec.ECDH(), desk.state.keys[0x9D].public_key())
    assert split(split(answer[:-2])["7c"])["82"] == mine
    assert desk.chain("87119D", wrap("7C", wrap("85", b"\4" + bytes(64)))) == "6a80"


@pytest.mark.parametrize("data", [bytes(255), bytes(257), b"\xff" * 256])
def test_rsa_wants_a_number_of_its_size(data):
    desk = Desk(piv.state("rsa2048"))
    assert signs(desk, "9E", "07", data) == "6a80"


def test_only_the_administrator_writes(admin):
    put = wrap("5C", bytes.fromhex("5FC109")) + wrap("53", bytes(700))
    assert admin.chain("DB3FFF", put) == "6982"
    assert admin.ask("0047009E05AC03800111") == "6982"
    assert admin.administer(bytes(16)) == "6982"
    assert admin.administer() == "9000"
    assert admin.chain("DB3FFF", put) == "9000"
    assert len(admin.state.objects["5fc109"]) == 700
    assert admin.chain("DB3FFF", wrap("5C", bytes.fromhex("5FC109")) + wrap("53")) == "9000"
    assert admin.get("5fc105").endswith("9000")
    assert "5fc109" not in admin.state.objects
    before = admin.state.keys[0x9E]
    told = split(bytes.fromhex(admin.ask("0047009E05AC0380011100")[:-4]))["7f49"]
    assert admin.state.keys[0x9E] is not before
    assert split(public_template(admin.state.keys[0x9E]))["7f49"] == told
    assert admin.ask("0047009E05AC0380019900") == "6a80"
    assert admin.ask("0047009B05AC0380011100") == "6a86"


def test_the_administrator_by_a_challenge(admin):
    challenge = split(split(bytes.fromhex(admin.ask("0087089B047C02810000")[:-4]))["7c"])["81"]
    answer = Cipher(algorithms.AES(AES_KEY), modes.ECB()).encryptor().update(challenge)
    assert admin.chain("87089B", wrap("7C", wrap("82", answer))) == "9000"
    assert admin.chain("87089B", wrap("7C", wrap("82", answer))) == "6985"  # good once
    assert admin.ask("00870C9B047C02810000") == "6a86"


def test_a_chain_that_is_broken(desk):
    assert desk.ask("1087119E02 7C00") == "9000"
    assert desk.ask(VERIFIED) == "6883"
    assert desk.ask(VERIFIED) == "63c3"
    for _ in range(4096 // 255):
        assert desk.ask("1087119EFF" + "00" * 255) == "9000"
    assert desk.ask("1087119EFF" + "00" * 255) == "6700"
    assert desk.ask("80200080") == "6e00"
    assert desk.ask("00FD0000") == "6d00"


# Cards as files


def test_a_card_is_the_same_at_the_next_insertion(tmp_path):
    path = tmp_path / "card.json"
    made = make_card(Order(keys={0x9A: "p256", 0x9E: "p384"}, pin="246810"), path)
    loaded = PivState.load(path)
    assert loaded.objects == made.objects
    assert vars(loaded.pin) == vars(made.pin)
    assert public_template(loaded.keys[0x9E]) == public_template(made.keys[0x9E])
    assert path.stat().st_mode & 0o077 == 0


def test_a_clone_has_everything_but_the_keys(tmp_path):
    original = piv.state()
    copy = clone(original, tmp_path / "clone.json")
    assert copy.objects == original.objects
    for slot, key in original.keys.items():
        assert public_template(copy.keys[slot]) != public_template(key)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"pin": 1}', "not json"])
def test_a_file_that_is_no_card(tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"x\.json is no card"):
        PivState.load(path)


def test_cards_made_by_the_command(tmp_path, capsys):
    folder, path = tmp_path / "ca", tmp_path / "alice.json"
    assert main(["authority", str(folder), "--name", "Cards"]) == 0
    guid = piv.GUID.hex()
    arguments = ["make", "--out", str(path), "--guid", guid, "--authority", str(folder)]
    arguments += ["--key", "9E=p256", "--pin", "999999", "--expired", "--blocked"]
    arguments += ["--management", "08=" + AES_KEY.hex()]
    assert main(arguments) == 0
    state = PivState.load(path)
    assert (state.pin.value, state.pin.left) == ("999999", 0)
    assert state.management.key == AES_KEY
    assert list(state.keys) == [0x9E]
    issued = piv.certificate_of(state)
    issued.verify_directly_issued_by(read_authority(folder)[0])
    assert issued.not_valid_after_utc < datetime.datetime.now(datetime.UTC)
    with pytest.raises(ValueError, match="issuer"):
        issued.verify_directly_issued_by(make_authority("Others")[0])
    assert main(["clone", str(path), "--out", str(tmp_path / "c.json")]) == 0
    assert main(["clone", str(tmp_path / "none.json"), "--out", "x"]) == 1
    assert "none.json" in capsys.readouterr().err
