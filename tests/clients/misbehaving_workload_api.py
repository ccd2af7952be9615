"""A SPIFFE Workload API that misbehaves as it is told to.

    misbehaving_workload_api.py SOCKET FOLDER

Says what stands in FOLDER/say.json, again whenever that changes: {"how": ..., "svids": [...]}.
An SVID is {"spiffe_id", "certificates", "key", "bundle", "hint"}: PEM files, `key` in PKCS #8.
"""

import json
import os
import sys
import threading
import time
from concurrent import futures

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from spiffe._proto import workload_pb2, workload_pb2_grpc

SOCKET, FOLDER = sys.argv[1:3]
DER = serialization.Encoding.DER


def read(path):
    with open(path, "rb") as file:
        return file.read()


def chain(path):
    return b"".join(c.public_bytes(DER) for c in x509.load_pem_x509_certificates(read(path)))


def key(path):
    loaded = serialization.load_pem_private_key(read(path), None)
    return loaded.private_bytes(
        DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class Told:
    """What is said now; every change has a number."""

    def __init__(self):
        self.changed = threading.Condition()
        self.number, self.text = 0, None

    def watch(self):
        while True:
            try:
                text = read(os.path.join(FOLDER, "say.json"))
            except FileNotFoundError:
                text = None
            if text is not None and text != self.text:
                with self.changed:
                    self.text, self.number = text, self.number + 1
                    self.changed.notify_all()
            time.sleep(0.02)

    def after(self, number, context):
        """The first state after a number; nothing once the caller has gone."""
        with self.changed:
            while self.number == number and context.is_active():
                self.changed.wait(0.2)
            return self.number, json.loads(self.text or b"{}")


def message(say):
    svids = []
    for told in say.get("svids", []):
        svid = workload_pb2.X509SVID(
            spiffe_id=told["spiffe_id"],
            x509_svid=chain(told["certificates"]),
            x509_svid_key=key(told["key"]),
            bundle=chain(told["bundle"]),
            hint=told.get("hint", ""),
        )
        if say["how"] == "garbage":
            svid.x509_svid = b"\x30\x82garbage"
        svids.append(svid)
    crl = [bytes(6 << 20)] if say["how"] == "huge" else []
    return workload_pb2.X509SVIDResponse(svids=svids, crl=crl)


class Api(workload_pb2_grpc.SpiffeWorkloadAPIServicer):
    def __init__(self, told):
        self.told = told

    def FetchX509SVID(self, request, context):
        if ("workload.spiffe.io", "true") not in context.invocation_metadata():
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing")
        number = 0
        while context.is_active():
            is_fresh = number == 0
            number, say = self.told.after(number, context)
            how = say.get("how")
            if how == "hang" and not is_fresh:
                return
            if how == "hang":
                while context.is_active() and self.told.number == number:
                    time.sleep(0.02)
                return
            if how == "close":
                return
            if how == "deny":
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            if how == "unavailable":
                context.abort(grpc.StatusCode.UNAVAILABLE, "\x1b[31mstarting\x1b[0m")
            if how == "flood":
                flooded = message(say)
                while context.is_active() and self.told.number == number:
                    yield flooded
                continue
            yield message(say)

    def FetchX509Bundles(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "no bundles here")


told = Told()
threading.Thread(target=told.watch, daemon=True).start()
server = grpc.server(
    futures.ThreadPoolExecutor(max_workers=16),
    options=[("grpc.max_send_message_length", -1)],
)
workload_pb2_grpc.add_SpiffeWorkloadAPIServicer_to_server(Api(told), server)
server.add_insecure_port(f"unix:{SOCKET}")
server.start()
print("serves", flush=True)
server.wait_for_termination()
