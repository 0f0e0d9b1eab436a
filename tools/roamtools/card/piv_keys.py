"""Keys of an emulated PIV card: private operations, and the management key. No APDUs here."""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from roamtools.card.cards import Status
from roamtools.card.tlv import WRONG_DATA, wrap

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_TYPES: dict[str, Callable[[], PrivateKey]] = {
    "rsa2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa3072": lambda: rsa.generate_private_key(65537, 3072),
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
}
ALGORITHMS = {0x07: "rsa2048", 0x05: "rsa3072", 0x11: "p256", 0x14: "p384"}  # SP 800-78
CIPHERS = {0x00: 24, 0x03: 24, 0x08: 16, 0x0A: 24, 0x0C: 32}  # of 9B, with the bytes of the key
TRIPLE_DES = (0x00, 0x03)


def type_of(key: PrivateKey) -> str:
    """The name in KEY_TYPES."""
    return (
        f"p{key.key_size}" if isinstance(key, ec.EllipticCurvePrivateKey) else f"rsa{key.key_size}"
    )


def to_pem(key: PrivateKey) -> str:
    """The private key as text, not encrypted: whoever has the card's file has the card."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def from_pem(text: str) -> PrivateKey:
    """Raises ValueError if it is no key of a kind that such cards have."""
    key = serialization.load_pem_private_key(text.encode(), None)
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("a card's key is RSA or on an elliptic curve")
    return key


def sign(key: PrivateKey, data: bytes) -> bytes:
    """What the card does with the challenge of GENERAL AUTHENTICATE; raises Status."""
    if isinstance(key, rsa.RSAPrivateKey):
        return _raw_rsa(key, data)
    size = (key.key_size + 7) // 8
    if not 0 < len(data) <= size:
        raise Status(WRONG_DATA)
    # A shorter hash is the same number with zeros in front of it.
    prehashed = utils.Prehashed(hashes.SHA256() if size == 32 else hashes.SHA384())
    return key.sign(data.rjust(size, b"\0"), ec.ECDSA(prehashed))


def _raw_rsa(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    """The bare operation, which no function of `cryptography` does: padding is not the card's."""
    size = key.key_size // 8
    numbers = key.private_numbers()
    value = int.from_bytes(data, "big")
    if len(data) != size or value >= numbers.public_numbers.n:
        raise Status(WRONG_DATA)
    first = pow(value, numbers.dmp1, numbers.p)
    second = pow(value, numbers.dmq1, numbers.q)
    return (second + (first - second) * numbers.iqmp % numbers.p * numbers.q).to_bytes(size, "big")


def agree(key: PrivateKey, point: bytes) -> bytes:
    """The shared secret with another's public point (ECDH); raises Status."""
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise Status(WRONG_DATA)
    try:
        other = ec.EllipticCurvePublicKey.from_encoded_point(key.curve, point)
    except ValueError:
        raise Status(WRONG_DATA) from None
    return key.exchange(ec.ECDH(), other)


def public_template(key: PrivateKey) -> bytes:
    """The public key as GENERATE ASYMMETRIC KEY PAIR gives it."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        modulus = numbers.n.to_bytes(public.key_size // 8, "big")
        return wrap("7F49", wrap("81", modulus), wrap("82", numbers.e.to_bytes(3, "big")))
    point = public.public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return wrap("7F49", wrap("86", point))


@dataclass(frozen=True)
class ManagementKey:
    """Key 9B: whoever has it may write to the card."""

    algorithm: int
    key: bytes

    def __post_init__(self) -> None:
        if CIPHERS.get(self.algorithm) != len(self.key):
            raise ValueError(f"no key of algorithm {self.algorithm:02X}: {len(self.key)} bytes")

    @property
    def block_bytes(self) -> int:
        """Bytes of a challenge."""
        return 8 if self.algorithm in TRIPLE_DES else 16

    def encrypt(self, block: bytes) -> bytes:
        """One block; raises Status for any other size."""
        if len(block) != self.block_bytes:
            raise Status(WRONG_DATA)
        triple = self.algorithm in TRIPLE_DES
        cipher = Cipher(TripleDES(self.key) if triple else AES(self.key), modes.ECB())
        encryptor = cipher.encryptor()
        return encryptor.update(block) + encryptor.finalize()
