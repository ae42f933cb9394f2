"""Writes vectors.json from docs/protocol/link.md alone: nothing here comes from src/link.

Ed25519 as in RFC 8032, section 5.1, with Python's integers and hashlib. Run: python3 make-vectors.py
"""
import hashlib
import json
import struct

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    (x1, y1, z1, t1), (x2, y2, z2, t2) = a, b
    A, B = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    C, E = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = B - A, E - C, E + C, B + A
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def base():
    y = 4 * pow(5, P - 2, P) % P
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P)
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x & 1:
        x = P - x
    return (x, y, 1, x * y % P)


def encode(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def expand(seed):
    digest = hashlib.sha512(seed).digest()
    scalar = int.from_bytes(digest[:32], "little") & ((1 << 254) - 8) | 1 << 254
    return scalar, digest[32:]


def public_key(seed):
    return encode(multiply(expand(seed)[0], base()))


def sign(seed, domain, message):
    message = domain.encode() + b"\0" + message
    scalar, prefix = expand(seed)
    key = encode(multiply(scalar, base()))
    r = int.from_bytes(hashlib.sha512(prefix + message).digest(), "little") % L
    point = encode(multiply(r, base()))
    k = int.from_bytes(hashlib.sha512(point + key + message).digest(), "little") % L
    return point + ((r + k * scalar) % L).to_bytes(32, "little")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def handshake(case):
    ann, bob = bytes.fromhex(case["callerSeed"]), bytes.fromhex(case["answererSeed"])
    ann_key, bob_key = public_key(ann), public_key(bob)
    nonce_a, nonce_b = bytes.fromhex(case["callerNonce"]), bytes.fromhex(case["answererNonce"])
    pad = sha256(b"allium/link/1/caller\0", bob_key, nonce_a)
    masked = bytes(a ^ b for a, b in zip(ann_key, pad))
    terms = struct.pack(">BHI", case["callerFlags"], case["callerChannels"], case["callerWindow"])
    link = bytes.fromhex(case["resumes"])
    hello = b"ALK\x01" + nonce_a + terms + link + struct.pack(">Q", case["callerReceived"]) + masked
    ends = sha256(bytes([case["callerDestinationByte"]]) * 391)
    ends += sha256(bytes([case["answererDestinationByte"]]) * 391)
    signed = ann_key + bob_key + ends + hello
    signature = sign(ann, "allium/link/1/hello", signed)
    first = sha256(signed, signature)
    hello += signature

    terms = struct.pack(">BHI", case["answererFlags"], case["answererChannels"], case["answererWindow"])
    welcome = b"\x01" + nonce_b + terms + struct.pack(">Q", case["answererReceived"])
    signature = sign(bob, "allium/link/1/welcome", first + welcome)
    second = sha256(first, welcome, signature)
    welcome += signature
    confirm = sign(ann, "allium/link/1/confirm", second)
    new_id = sha256(b"allium/link/1/id\0", second)[:16]
    out = {"callerKey": ann_key, "answererKey": bob_key, "hello": hello, "welcome": welcome}
    out |= {"confirm": confirm, "linkId": new_id}
    return {**case, **{name: value.hex() for name, value in out.items()}}


def frame(kind, channel, payload=b""):
    return struct.pack(">HBI", len(payload), kind, channel) + payload


def frames():
    receive = struct.pack(">QI", 0x1_0000_0002, 7)
    cases = [
        ({"type": "data", "channel": 1, "bytes": "6869"}, frame(0, 1, b"hi")),
        (
            {"type": "open", "channel": 3, "windowBytes": 65536, "protocol": "/messages/1"},
            frame(1, 3, struct.pack(">I", 65536) + b"/messages/1"),
        ),
        ({"type": "credit", "channel": 2, "byteCount": 65536}, frame(2, 2, struct.pack(">I", 65536))),
        ({"type": "end", "channel": 4294967293}, frame(3, 4294967293)),
        ({"type": "delivered", "channel": 1}, frame(4, 1)),
        ({"type": "reset", "channel": 2, "code": 3}, frame(5, 2, struct.pack(">H", 3))),
        ({"type": "ping", "received": 4294967298, "token": 7}, frame(6, 0, receive)),
        ({"type": "pong", "received": 4294967298, "token": 7}, frame(7, 0, receive)),
        ({"type": "ack", "received": 1}, frame(8, 0, struct.pack(">Q", 1))),
        ({"type": "goaway"}, frame(9, 0)),
        ({"type": "close", "code": 1}, frame(10, 0, struct.pack(">H", 1))),
    ]
    return [{"frame": shape, "bytes": encoded.hex()} for shape, encoded in cases]


NEW = {
    "callerSeed": "01" * 32,
    "answererSeed": "02" * 32,
    "callerDestinationByte": 1,
    "answererDestinationByte": 2,
    "callerNonce": "a1" * 32,
    "answererNonce": "b2" * 32,
    "callerFlags": 1,
    "callerChannels": 256,
    "callerWindow": 65536,
    "callerReceived": 0,
    "resumes": "00" * 16,
    "answererFlags": 1,
    "answererChannels": 128,
    "answererWindow": 32768,
    "answererReceived": 0,
}
AGAIN = {**NEW, "callerNonce": "c3" * 32, "answererNonce": "d4" * 32, "callerReceived": 4294967298}
AGAIN |= {"resumes": "5e" * 16, "answererFlags": 3, "answererReceived": 77}

with open("vectors.json", "w") as file:
    vectors = {"handshakes": [handshake(NEW), handshake(AGAIN)], "frames": frames()}
    json.dump(vectors, file, indent=2)
    file.write("\n")
