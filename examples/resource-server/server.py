#!/usr/bin/env python3
"""A resource server that takes Taskpass tokens.

It checks each token twice: with a standard JWT library (PyJWT) against the published key set, found through
discovery, and by asking the broker whether it is still active (RFC 7662), over mutual TLS with an SVID of its own.
The first tells what the token says; the second, that its job is still running.

With `--mutual-tls` it serves HTTPS with its SVID, and a client may present one of its own. A token that is bound to a
certificate (`cnf`, RFC 8705) is then taken only over a connection that was made with that certificate; without
`--mutual-tls` it is never taken. So nobody can use a bound token that was stolen.

    ./server.py --issuer http://127.0.0.1:8443 --audience https://docs.acme.example \
                --broker 127.0.0.1:8440 --broker-id spiffe://acme.example/taskpass/broker \
                --certificate svid.pem --key svid.key --bundle bundle.pem --port 8000
"""

import argparse
import base64
import hashlib
import hmac
import http.client
import http.server
import json
import ssl
import urllib.parse
import urllib.request

import jwt
from cryptography import x509


class Issuer:
    """What a token says, checked against the issuer's published keys."""

    def __init__(self, issuer, audience):
        self.issuer, self.audience = issuer, audience
        with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=10) as answer:
            discovered = json.load(answer)
        if discovered["issuer"] != issuer:
            raise ValueError(f"{issuer} says that it is {discovered['issuer']}")
        self.keys = jwt.PyJWKClient(discovered["jwks_uri"])

    def claims(self, token):
        """The claims of a good token; raises jwt.InvalidTokenError for any other."""
        if jwt.get_unverified_header(token).get("typ") != "at+jwt":
            raise jwt.InvalidTokenError("not an access token (RFC 9068)")
        key = self.keys.get_signing_key_from_jwt(token).key
        required = ["exp", "iat", "nbf", "aud", "iss", "sub", "jti"]
        return jwt.decode(token, key, algorithms=["ES256", "RS256"], audience=self.audience, issuer=self.issuer,
                          options={"require": required})


class Introspection:
    """Whether a token is active now, by the broker's word."""

    def __init__(self, broker, broker_id, certificate, key, bundle):
        self.host, _, port = broker.rpartition(":")
        self.port, self.broker_id = int(port), broker_id
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # SPIFFE names workloads by URI: the chain is checked here, and the name below.
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_REQUIRED
        self.tls.load_verify_locations(bundle)
        self.tls.load_cert_chain(certificate, key)

    def is_active(self, token):
        connection = http.client.HTTPSConnection(self.host, self.port, context=self.tls, timeout=10)
        try:
            connection.connect()
            self.insist_on_the_broker(connection.sock.getpeercert(binary_form=True))
            body = urllib.parse.urlencode({"token": token})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", "/introspect", body, headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
            return response.status == 200 and answer["active"] is True
        finally:
            connection.close()

    def insist_on_the_broker(self, certificate):
        names = x509.load_der_x509_certificate(certificate).extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value
        if names.get_values_for_type(x509.UniformResourceIdentifier) != [self.broker_id]:
            raise ssl.SSLError("whoever answered is not the broker")


def confirm(claims, certificate):
    """Insists that a bound token comes over a connection with the certificate that it is bound to."""
    if "cnf" not in claims:
        return
    expected = claims["cnf"].get("x5t#S256")
    if expected is None:
        raise jwt.InvalidTokenError("the token is bound to something that this server cannot check")
    if certificate is None:
        raise jwt.InvalidTokenError("the token is bound to a certificate, and the client presented none")
    digest = hashlib.sha256(certificate).digest()
    thumbprint = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    if not hmac.compare_digest(thumbprint, expected):
        raise jwt.InvalidTokenError("the token is bound to another certificate than the client's")


class Handler(http.server.BaseHTTPRequestHandler):
    """Any request with a good and active token is answered with what the token says."""

    issuer = introspection = None

    def answer(self):
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            if scheme != "Bearer":
                raise jwt.InvalidTokenError("no bearer token")
            claims = self.issuer.claims(token)
            confirm(claims, self.client_certificate())
            if not self.introspection.is_active(token):
                raise jwt.InvalidTokenError("the job of this token has ended")
        except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
            return self.send(401, {"error": "invalid_token", "error_description": str(error)})
        self.send(200, {"workload": claims["sub"], "task": claims["task"], "scope": claims.get("scope", "")})

    do_GET = do_PUT = do_POST = answer

    def client_certificate(self):
        """The certificate of the TLS client in DER, if there is one."""
        if not isinstance(self.connection, ssl.SSLSocket):
            return None
        return self.connection.getpeercert(binary_form=True)

    def send(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status == 401:
            self.send_header("WWW-Authenticate", 'Bearer error="invalid_token"')
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests carry tokens; nothing of them is logged."""


def main():
    parser = argparse.ArgumentParser(description="A resource server that takes Taskpass tokens.")
    for name in ["issuer", "audience", "broker", "broker-id", "certificate", "key", "bundle"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mutual-tls", action="store_true")
    options = parser.parse_args()
    Handler.issuer = Issuer(options.issuer, options.audience)
    Handler.introspection = Introspection(options.broker, options.broker_id, options.certificate,
                                          options.key, options.bundle)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", options.port), Handler)
    if options.mutual_tls:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
        tls.load_verify_locations(options.bundle)
        # Bearer tokens need no certificate; bound ones are refused without it.
        tls.verify_mode = ssl.CERT_OPTIONAL
        # Handshakes happen in the thread of each connection, not in the one that accepts.
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
