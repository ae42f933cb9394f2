#!/usr/bin/env python3
"""Frames of /mailbox/1, written from docs/protocol/mailbox.md alone. Run: python3 make-vectors.py > frames.json

Bytes are {"hex": ...}; where they are long, {"byte": value, "count": how many}. A frame is its beginning and its size:
the rest is zeros.
"""
import json


def u(size, value):
    return value.to_bytes(size, "big")


def plain(value):
    return value if not isinstance(value, bytes) else {"hex": value.hex()}


def many(byte, count):
    return bytes([byte]) * count, {"byte": byte, "count": count}


SIZES = (256, 4352, 16384)
frames = []


def frame(direction, kind, type_, tag, values, body):
    whole = bytes([type_]) + u(4, tag) + body
    size = SIZES[type_ >> 6]
    assert len(whole) <= size
    cut = whole.rstrip(b"\0")
    frames.append({
        "direction": direction,
        "frame": {"kind": kind, "tag": tag, **{k: v if isinstance(v, (dict, list)) else plain(v) for k, v in values.items()}},
        "begins": cut.hex(),
        "size": size,
    })


def ask(*args):
    frame("request", *args)


def say(*args):
    frame("answer", *args)


A, B, C = (bytes(range(start, start + 32)) for start in (1, 65, 129))
token = u(4, 7) + A + B + C
envelope, long_envelope = many(0xE5, 4096)
sealed, long_sealed = many(0x5E, 1024)
greeting, long_greeting = many(0x61, 8192)
piece, long_piece = many(0xB1, 16376)

ask("make", 0x01, 1, {"queue": "queue", "token": token}, b"\x01" + b"\x01" + token)
ask("make", 0x01, 2, {"queue": "door", "token": None}, b"\x02" + b"\x00" + bytes(100))
ask("get", 0x02, 3, {"receiveId": A, "after": 0x0102030405, "limit": 64}, A + u(6, 0x0102030405) + u(1, 64))
ask("subscribe", 0x03, 4, {"receiveId": A, "after": 0, "credit": 4}, A + u(6, 0) + u(2, 4))
ask("more", 0x04, 4, {"credit": 260}, u(2, 260))
ask("cancel", 0x05, 4, {}, b"")
ask("acknowledge", 0x06, 5, {"receiveId": A, "upTo": 2**48 - 1}, A + u(6, 2**48 - 1))
ask("remove", 0x07, 6, {"receiveId": A}, A)
ask("greeting", 0x08, 7, {"sendId": B}, B)
ask("putBlob", 0x09, 8, {"id": A, "writeKey": B, "size": 16777216, "token": token}, A + B + u(4, 16777216) + b"\x01" + token)
ask("getBlob", 0x0A, 9, {"id": A}, A)
ask("tokenKey", 0x0B, 10, {}, b"")
ask("addTicket", 0x0C, 11, {"receiveId": A, "ticketHash": C}, A + C)
put = {"sendId": B, "id": A[:16], "envelope": long_envelope}
ask("put", 0x41, 0xFFFFFFFF, {**put, "toll": None}, B + A[:16] + b"\x00" + bytes(32) + envelope)
ask("put", 0x41, 12, {**put, "toll": {"kind": "work", "nonce": {"hex": C[:12].hex()}}}, B + A[:16] + b"\x01" + C[:12] + bytes(20) + envelope)
ask("put", 0x41, 13, {**put, "toll": {"kind": "introduction", "ticket": {"hex": C.hex()}}}, B + A[:16] + b"\x02" + C + envelope)
ask("move", 0x42, 14, {"receiveId": A, "sealed": long_sealed}, A + u(2, 1024) + sealed)
ask("issueTokens", 0x43, 15, {"invitation": A, "blinded": [plain(B), plain(C)]}, A + u(1, 2) + B + C)
ask("setGreeting", 0x81, 16, {"receiveId": A, "greeting": long_greeting}, A + u(2, 8192) + greeting)
ask("chunk", 0x82, 8, {"bytes": long_piece}, u(2, 16376) + piece)

say("done", 0x01, 1, {}, b"")
for place, code in enumerate(["BUSY", "MAILBOX_REFUSED", "NO_QUEUE", "BAD_TOKEN", "MAILBOX_FULL", "TOO_LARGE", "BAD_INPUT"]):
    say("failed", 0x02, 2, {"code": code}, u(1, place + 1))
say("made", 0x03, 3, {"receiveId": A, "sendId": B, "expiresS": 1769817600}, A + B + u(6, 1769817600))
for place, answer in enumerate(["ok", "duplicate", "full", "gone"]):
    say("put", 0x04, 4, {"answer": answer}, u(1, place + 1))
say("toll", 0x05, 5, {"challenge": A, "difficulty": 12}, A + u(1, 12))
say("none", 0x06, 6, {}, b"")
say("blob", 0x07, 7, {"size": 65537}, u(4, 65537))
say("tokenKey", 0x08, 8, {"epoch": 3, "publicKey": B}, u(4, 3) + B)
say("envelope", 0x41, 9, {"number": 256, "envelope": long_envelope}, u(6, 256) + envelope)
say("moved", 0x42, 10, {"sealed": plain(b"\x09\x08")}, u(2, 2) + b"\x09\x08")
say("issued", 0x43, 11, {"epoch": 3, "publicKey": B, "proof": A + C, "evaluated": [plain(C)]}, u(4, 3) + B + A + C + u(1, 1) + C)
say("greeting", 0x81, 12, {"greeting": plain(b"\x2a")}, u(2, 1) + b"\x2a")
say("chunk", 0x82, 7, {"bytes": plain(b"\x07\x00")}, u(2, 2) + b"\x07\x00")

print(json.dumps(frames, indent=1))
