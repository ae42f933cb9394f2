"""Makes the torrents of libtorrent 2.0.8, and records what it sends as a seeder, over loopback; run beside `in/`."""
import socket
import struct
import time

import libtorrent as lt

PEER_ID = b"-XX0000-abcdefghijkl"


def make(flags: int, name: str) -> None:
    files = lt.file_storage()
    lt.add_files(files, "in/album")
    torrent = lt.create_torrent(files, 65536, flags)
    torrent.add_tracker("http://tracker2.postman.i2p/announce.php", 0)
    torrent.add_tracker("udp://tracker.example:1337/announce", 1)
    lt.set_piece_hashes(torrent, "in")
    with open(name, "wb") as file:
        file.write(lt.bencode(torrent.generate()))


def message(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IB", 1 + len(payload), kind) + payload


def talk(session: lt.session, infohash: bytes) -> bytes:
    """Asks for a page of metadata and 32 bytes of the first piece."""
    peer = socket.create_connection(("127.0.0.1", session.listen_port()))
    peer.settimeout(0.3)
    peer.sendall(b"\x13BitTorrent protocol" + bytes([0, 0, 0, 0, 0, 0x10, 0, 4]) + infohash + PEER_ID)
    request = (
        message(20, b"\0d1:md11:ut_metadatai3eee")
        + message(20, b"\2d8:msg_typei0e5:piecei0ee")
        + message(2)
        + message(6, struct.pack(">III", 0, 0, 32))
    )
    heard, asked, end = b"", False, time.time() + 3
    while time.time() < end:
        try:
            heard += peer.recv(65536)
        except socket.timeout:
            pass
        if len(heard) > 68 and not asked:
            peer.sendall(request)
            asked = True
    return heard


def record() -> bytes:
    settings = {
        "listen_interfaces": "127.0.0.1:0", "enable_dht": False, "enable_lsd": False, "enable_upnp": False,
        "enable_natpmp": False, "enable_outgoing_utp": False, "enable_incoming_utp": False, "in_enc_policy": 2,
        "out_enc_policy": 2, "anonymous_mode": True, "allow_i2p_mixed": True,
    }  # fmt: skip
    session = lt.session(settings)
    info = lt.torrent_info("mktorrent-single.torrent")
    params = lt.add_torrent_params()
    params.ti, params.save_path, params.trackers = info, "in", []
    params.flags &= ~(lt.torrent_flags.auto_managed | lt.torrent_flags.paused)
    handle = session.add_torrent(params)
    handle.replace_trackers([])
    while not handle.status().is_seeding:
        time.sleep(0.1)
    return talk(session, bytes.fromhex(str(info.info_hashes().v1)))


make(lt.create_torrent.v1_only, "libtorrent-v1-folder.torrent")
make(0, "libtorrent-hybrid-folder.torrent")
make(lt.create_torrent.v2_only, "libtorrent-v2-folder.torrent")
with open("libtorrent-2.0.8-seeder.hex", "w") as file:
    recorded = record().hex()
    file.writelines(recorded[at : at + 128] + "\n" for at in range(0, len(recorded), 128))
