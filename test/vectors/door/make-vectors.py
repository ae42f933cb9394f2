#!/usr/bin/env python3
"""Greeting and requests at a door, written from docs/protocol/contact.md alone. Run: python3 make-vectors.py > doors.json

Cards and bundles are those of inputs.json; their own vectors are elsewhere.
"""
import base64
import json
import os
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = os.path.dirname(os.path.abspath(__file__))
INPUTS = json.load(open(os.path.join(HERE, "inputs.json")))


def b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def b32(text):
    return base64.b32decode(text.upper() + "=" * (-len(text) % 8))


def hchacha20(key, nonce):
    def rotate(value, bits):
        return ((value << bits) | (value >> (32 - bits))) & 0xFFFFFFFF

    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce))
    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                state[x] = (state[x] + state[y]) & 0xFFFFFFFF
                state[z] = rotate(state[z] ^ state[x], bits)
    return struct.pack("<8I", *state[:4], *state[12:])


def greeting(owner, tower, nonce):
    purpose = b"allium door greeting 1"
    key = HKDF(hashes.SHA256(), 32, salt=bytes.fromhex(tower["sendId"]), info=purpose).derive(b64(owner["key"]))
    card = owner["card"].encode()
    plain = b"\x01" + bytes.fromhex(owner["bundle"]) + struct.pack(">H", len(card)) + card
    plain = plain.ljust(4056, b"\0")
    box = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    return nonce + box.encrypt(bytes(4) + nonce[16:], plain, purpose)


def request(asker, words, encoding, places):
    _, payload, signature = asker["card"].split(".")
    card = b64(signature) + b64(payload)
    text = words.encode("utf-8" if encoding == 0 else "utf-16-be")
    body = b"\x01" + bytes.fromhex(asker["bundle"])[129:] + struct.pack(">H", len(card)) + card
    body += bytes([encoding]) + struct.pack(">H", len(text)) + text + bytes([len(places)])
    for place in places:
        body += b"\0" if place == "self" else (
            b"\x01" + b64(place["key"]) + b32(place["address"][:52])
            + bytes.fromhex(place["sendId"]) + bytes.fromhex(place["moveKey"]))
    assert len(body) <= 2787
    return body.ljust(2787, b"\0").hex()


tower = INPUTS["tower"]
print(json.dumps({
    "greeting": greeting(INPUTS["owner"], tower, bytes.fromhex(INPUTS["greetingNonce"])).hex(),
    "requests": [
        {"greeting": words, "places": places, "payload": request(INPUTS["asker"], words, encoding, places)}
        for words, encoding, places in (
            ("We met at the fair", 0, [tower, "self"]),
            ("", 0, ["self"]),
            ("集市上见过" * 100, 1, [tower]),
        )
    ],
}, indent=2, ensure_ascii=False))
