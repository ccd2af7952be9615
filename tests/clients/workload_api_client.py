"""The official Python library as a client of a Workload API: fetches SVIDs, waits for a rotation, and calls a server
over mutual TLS. One line of JSON for each step.

    workload_api_client.py ADDRESS SPIFFE-ID
"""

import json
import ssl
import sys
import tempfile
import threading
from http.client import HTTPSConnection

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from spiffe import WorkloadApiClient, X509Source

ADDRESS, SERVER = sys.argv[1:3]
PEM = Encoding.PEM


def tell(**line):
    print(json.dumps(line), flush=True)


def pem(certificates):
    return b"".join(certificate.public_bytes(PEM) for certificate in certificates)


def tls(context):
    svid = context.default_svid
    bundle = context.x509_bundle_set.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # SPIFFE names workloads by URI, which is looked at below.
    settings.check_hostname = False
    settings.load_verify_locations(cadata=pem(bundle.x509_authorities).decode())
    with tempfile.NamedTemporaryFile() as file:
        key = svid.private_key.private_bytes(PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write(pem(svid.cert_chain) + key)
        file.flush()
        settings.load_cert_chain(file.name)
    return settings


def call(context):
    host, _, port = ADDRESS.rpartition(":")
    connection = HTTPSConnection(host, int(port), context=tls(context), timeout=10)
    connection.connect()
    peer = x509.load_der_x509_certificate(connection.sock.getpeercert(binary_form=True))
    names = peer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [SERVER]
    connection.request("GET", "/")
    tell(called=SERVER, status=connection.getresponse().status)
    connection.close()


# The endpoint is SPIFFE_ENDPOINT_SOCKET's.
with WorkloadApiClient(default_timeout=20) as client:
    fetched = client.fetch_x509_context()
    tell(ids=[str(svid.spiffe_id) for svid in fetched.x509_svids])

with X509Source(timeout_in_seconds=20) as source:
    first = source.get_x509_context()
    call(first)
    rotated = threading.Event()
    source.subscribe_for_updates(rotated.set)
    while True:
        assert rotated.wait(60), "no rotation"
        rotated.clear()
        now = source.get_x509_context()
        if now.default_svid.leaf != first.default_svid.leaf:
            break
    tell(rotated=str(now.default_svid.spiffe_id))
    call(now)
