"""Makes the folder `in/` that the torrents here were made of: SHA-256 of a seed and a counter, again and again."""
import hashlib
import os


def content(seed: bytes, count: int) -> bytes:
    blocks = (hashlib.sha256(seed + i.to_bytes(4, "big")).digest() for i in range(count // 32 + 1))
    return b"".join(blocks)[:count]


os.makedirs("in/album/disc 1")
for path, seed, count in (
    ("in/single.bin", b"single", 300_000),
    ("in/album/a.bin", b"a", 100_000),
    ("in/album/disc 1/ü.txt", b"u", 50_000),
    ("in/album/empty", b"", 0),
):
    with open(path, "wb") as file:
        file.write(content(seed, count))
