"""How is a size and a root signed so that anybody can check it? C2SP signed notes, checkpoints and cosignatures."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, WITNESS = 0x01, 0x04  # kinds of keys: Ed25519, and Ed25519 with a time (cosignature/v1)
_NAME = re.compile(r"[^\s+]{1,200}")


class BadNote(ValueError):
    """A note, a checkpoint or a key that is not in the form of its specification; the message says where."""


@dataclass(frozen=True)
class Verifier:
    """A public key with the name it signs under. `vkey` is its text: `name+id+base64(kind ‖ key)`."""

    name: str
    public: bytes  # 32 bytes
    kind: int = LOG

    @property
    def key_id(self) -> bytes:
        """SHA-256(name ‖ 0x0A ‖ kind ‖ key), cut to four bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([self.kind]) + self.public).decode()}"

    @classmethod
    def parse(cls, vkey: str) -> Verifier:
        """The key a text stands for. Raises `BadNote`."""
        name, _, rest = vkey.partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded, "the key")
        if not _NAME.fullmatch(name) or len(raw) != 33 or raw[0] not in (LOG, WITNESS):
            raise BadNote("not a public key of a log: name+id+base64")
        found = cls(name, raw[1:], raw[0])
        if found.key_id.hex() != key_id:
            raise BadNote("the id of the public key is not that of its name and key")
        return found

    def verifies(self, text: str, signature: bytes) -> bool:
        """Whether the bytes after the key id are this key's signature under a text."""
        told = text.encode()
        if self.kind == WITNESS:
            if len(signature) != 72:
                return False
            told = _cosigned(text, struct.unpack(">Q", signature[:8])[0])
            signature = signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, told)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class Signer:
    """A private key with the name it signs under."""

    name: str
    private: Ed25519PrivateKey
    kind: int = LOG

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.private.public_key().public_bytes_raw(), self.kind)

    @property
    def secret(self) -> str:
        """The private key as text: `PRIVATE+KEY+name+id+base64(kind ‖ seed)`."""
        encoded = base64.b64encode(bytes([self.kind]) + self.private.private_bytes_raw()).decode()
        return f"PRIVATE+KEY+{self.name}+{self.verifier.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, secret: str) -> Signer:
        """The key that `secret` stands for. Raises `BadNote`."""
        name, _, rest = secret.removeprefix("PRIVATE+KEY+").partition("+")
        key_id, _, encoded = rest.partition("+")
        raw = _decoded(encoded, "the key")
        if not secret.startswith("PRIVATE+KEY+") or not _NAME.fullmatch(name) or len(raw) != 33:
            raise BadNote("not a private key: PRIVATE+KEY+name+id+base64")
        found = cls(name, Ed25519PrivateKey.from_private_bytes(raw[1:]), raw[0])
        if found.verifier.key_id.hex() != key_id:
            raise BadNote("the id of the private key is not that of its name and key")
        return found

    def sign(self, text: str, *, at: int = 0) -> Signature:
        """The signature under a text; a witness signs the time `at` (seconds since 1970) with it."""
        if self.kind == WITNESS:
            signed = struct.pack(">Q", at) + self.private.sign(_cosigned(text, at))
        else:
            signed = self.private.sign(text.encode())
        return Signature(self.name, self.verifier.key_id, signed)


@dataclass(frozen=True)
class Signature:
    """One line under a note: who, with which key, and the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True)
class Note:
    """A text that ends with a line break, and the signatures under it."""

    text: str
    signatures: list[Signature] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.text}\n{''.join(map(str, self.signatures))}"

    @classmethod
    def parse(cls, whole: str) -> Note:
        """The note a text stands for. Raises `BadNote`; a line of an unknown signature is no error."""
        text, blank, lines = whole.rpartition("\n\n")
        if not blank or not text or not lines.endswith("\n"):
            raise BadNote("a note is a text, an empty line, and lines of signatures")
        if any(ord(char) < 32 and char != "\n" for char in whole):
            raise BadNote("a note holds no control characters")
        return cls(f"{text}\n", [_signature(line) for line in lines.removesuffix("\n").split("\n")])


def verify(note: Note, key: Verifier) -> bool:
    """Whether the note is signed by this key; lines of other keys say nothing, a false line of this one does."""
    mine = [one for one in note.signatures if (one.name, one.key_id) == (key.name, key.key_id)]
    return bool(mine) and all(key.verifies(note.text, one.signature) for one in mine)


@dataclass(frozen=True)
class Checkpoint:
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """The checkpoint a note's text stands for; further lines are extensions. Raises `BadNote`."""
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not re.fullmatch(r"0|[1-9][0-9]{0,18}", lines[1]):
            raise BadNote("a checkpoint is an origin, a size and a root")
        root = _decoded(lines[2], "the root")
        if len(root) != 32:
            raise BadNote("the root of a checkpoint has 32 bytes")
        return cls(lines[0], int(lines[1]), root)


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _signature(line: str) -> Signature:
    found = re.fullmatch(r"— ([^\s+]{1,200}) (\S+)", line)
    raw = _decoded(found[2], "a signature") if found else b""
    if not found or len(raw) < 5:
        raise BadNote("a line of a signature is: — name base64")
    return Signature(found[1], raw[:4], raw[4:])


def _decoded(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote(f"{what} is not base64") from None
