"""A transparency log, read, checked and written as the C2SP documents tlog-tiles, tlog-checkpoint,
signed-note and tlog-proof have it. Written from those documents and RFC 6962 alone.

  tlog.py verify PLACE VKEY [CHECKPOINT...]   PLACE is a URL or a directory
  tlog.py proof FILE VKEY
  tlog.py write DIRECTORY ORIGIN KEY.pem      entries as a JSON list of strings on standard input

Prints JSON; exits with 1 and a line on standard error when something does not hold.
"""

import base64
import hashlib
import json
import pathlib
import struct
import sys
import urllib.request

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class NotVerified(Exception):
    pass


def leaf_hash(entry):
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left, right):
    return hashlib.sha256(b"\x01" + left + right).digest()


def mth(hashes):
    """MTH of RFC 6962, section 2.1, over leaf hashes."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1 << (len(hashes) - 1).bit_length() - 1
    return node_hash(mth(hashes[:k]), mth(hashes[k:]))


def path(m, hashes):
    """PATH of RFC 6962, section 2.1.1."""
    if len(hashes) <= 1:
        return []
    k = 1 << (len(hashes) - 1).bit_length() - 1
    if m < k:
        return path(m, hashes[:k]) + [mth(hashes[k:])]
    return path(m - k, hashes[k:]) + [mth(hashes[:k])]


def root_of_path(leaf, m, n, proof):
    """What an audit path leads to, by the same recursion."""
    if n == 1:
        if proof:
            raise NotVerified("the proof is too long")
        return leaf
    if not proof:
        raise NotVerified("the proof is too short")
    k = 1 << (n - 1).bit_length() - 1
    if m < k:
        return node_hash(root_of_path(leaf, m, k, proof[:-1]), proof[-1])
    return node_hash(proof[-1], root_of_path(leaf, m - k, n - k, proof[:-1]))


class Key:
    def __init__(self, vkey):
        self.name, key_id, encoded = vkey.strip().split("+", 2)
        raw = base64.b64decode(encoded, validate=True)
        if raw[0] != 1 or len(raw) != 33:
            raise NotVerified("not an Ed25519 key")
        self.id = hashlib.sha256(self.name.encode() + b"\n\x01" + raw[1:]).digest()[:4]
        if self.id.hex() != key_id:
            raise NotVerified("the key's id is another one")
        self.public = Ed25519PublicKey.from_public_bytes(raw[1:])


def open_checkpoint(note, key):
    """Origin, size and root of a checkpoint that the key has signed."""
    text, separator, signatures = note.decode().rpartition("\n\n")
    if not separator:
        raise NotVerified("not a signed note")
    text += "\n"
    signed = False
    for line in signatures.splitlines():
        dash, name, encoded = line.split(" ")
        raw = base64.b64decode(encoded, validate=True)
        if dash != "\u2014" or name != key.name or raw[:4] != key.id:
            continue
        try:
            key.public.verify(raw[4:], text.encode())
        except InvalidSignature:
            raise NotVerified("the signature does not hold") from None
        signed = True
    if not signed:
        raise NotVerified("not signed by the key")
    origin, size, root = text.splitlines()[:3]
    if origin != key.name or str(int(size)) != size:
        raise NotVerified("not a checkpoint of this log")
    return origin, int(size), base64.b64decode(root, validate=True)


def tile_path(level, index, width):
    groups = ["%03d" % (index % 1000)]
    while index >= 1000:
        index //= 1000
        groups.insert(0, "x%03d" % (index % 1000))
    partial = "" if width == 256 else ".p/%d" % width
    return "tile/%s/%s%s" % (level, "/".join(groups), partial)


class Place:
    """A log behind a URL or in a directory."""

    def __init__(self, place):
        self.place = place
        self.types = {}

    def read(self, name):
        if self.place.startswith("http"):
            with urllib.request.urlopen(self.place + "/" + name) as answer:
                self.types[name.split("/")[0]] = (
                    answer.headers["Content-Type"],
                    answer.headers["Cache-Control"],
                )
                return answer.read()
        return (pathlib.Path(self.place) / name).read_bytes()


def tiles_of(count):
    """Index and width of each tile over so many hashes."""
    return [(n, min(256, count - n * 256)) for n in range((count + 255) // 256)]


def verify(place, key, kept):
    files = Place(place)
    origin, size, root = open_checkpoint(files.read("checkpoint"), key)
    entries, leaves = [], []
    for index, width in tiles_of(size):
        bundle, found = files.read(tile_path("entries", index, width)), []
        while bundle:
            (length,) = struct.unpack(">H", bundle[:2])
            if len(bundle) < 2 + length:
                raise NotVerified("a bundle is cut off")
            found.append(bundle[2 : 2 + length])
            bundle = bundle[2 + length :]
        if len(found) != width:
            raise NotVerified("a bundle has not as many entries as it must have")
        entries += found
        leaves += [leaf_hash(entry) for entry in found]
    level, row = 0, leaves
    while row:
        for index, width in tiles_of(len(row)):
            wanted = b"".join(row[index * 256 : index * 256 + width])
            if files.read(tile_path(level, index, width)) != wanted:
                raise NotVerified("a tile is not what is below it: " + tile_path(level, index, width))
        row = [mth(row[n * 256 : n * 256 + 256]) for n in range(len(row) // 256)]
        level += 1
    if mth(leaves) != root:
        raise NotVerified("the entries do not give the signed root")
    for name in kept:
        _, old_size, old_root = open_checkpoint(pathlib.Path(name).read_bytes(), key)
        if old_size > size or mth(leaves[:old_size]) != old_root:
            raise NotVerified("not consistent with " + name)
    return {
        "origin": origin,
        "size": size,
        "events": [json.loads(entry)["event"] for entry in entries],
        "types": files.types,
    }


def proof(name, key):
    head, _, checkpoint = pathlib.Path(name).read_bytes().partition(b"\n\n")
    lines = head.decode().split("\n")
    if lines.pop(0) != "c2sp.org/tlog-proof@v1":
        raise NotVerified("not a proof")
    extra = json.loads(base64.b64decode(lines.pop(0).removeprefix("extra "), validate=True))
    word, index = lines.pop(0).split(" ")
    if word != "index":
        raise NotVerified("no index")
    _, size, root = open_checkpoint(checkpoint, key)
    hashes = [base64.b64decode(line, validate=True) for line in lines]
    leaf = leaf_hash(extra["leaf"].encode())
    if int(index) >= size or root_of_path(leaf, int(index), size, hashes) != root:
        raise NotVerified("the proof does not lead to the root")
    fields = json.loads(extra["leaf"])
    if extra["details"] is not None:
        salted = bytes.fromhex(extra["salt"]) + extra["details"].encode()
        if hashlib.sha256(salted).hexdigest() != fields["details_sha256"]:
            raise NotVerified("the details are others")
    return {"number": int(index) + 1, "leaf": fields, "details": extra["details"]}


def write(directory, origin, pem, entries):
    """A whole log over these entries, signed: what somebody with the key could write."""
    directory = pathlib.Path(directory)

    def put(name, content):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)

    entries = [entry.encode() for entry in entries]
    for index, width in tiles_of(len(entries)):
        part = entries[index * 256 : index * 256 + width]
        bundle = b"".join(struct.pack(">H", len(entry)) + entry for entry in part)
        put(tile_path("entries", index, width), bundle)
    leaves = [leaf_hash(entry) for entry in entries]
    level, row = 0, leaves
    while row:
        for index, width in tiles_of(len(row)):
            put(tile_path(level, index, width), b"".join(row[index * 256 : index * 256 + width]))
        row = [mth(row[n * 256 : n * 256 + 256]) for n in range(len(row) // 256)]
        level += 1
    private = serialization.load_pem_private_key(pathlib.Path(pem).read_bytes(), None)
    raw = private.public_key().public_bytes_raw()
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
    root = base64.b64encode(mth(leaves)).decode()
    text = "%s\n%d\n%s\n" % (origin, len(entries), root)
    signature = base64.b64encode(key_id + private.sign(text.encode())).decode()
    put("checkpoint", ("%s\n\u2014 %s %s\n" % (text, origin, signature)).encode())
    encoded = base64.b64encode(b"\x01" + raw).decode()
    return {"vkey": "%s+%s+%s" % (origin, key_id.hex(), encoded)}


def main(command, *arguments):
    if command == "verify":
        return verify(arguments[0], Key(arguments[1]), arguments[2:])
    if command == "proof":
        return proof(arguments[0], Key(arguments[1]))
    if command == "write":
        return write(*arguments, json.load(sys.stdin))
    raise SystemExit(__doc__)


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    try:
        print(json.dumps(main(*sys.argv[1:])))
    except (NotVerified, OSError, ValueError) as error:
        sys.exit("not verified: %s" % error)
