#!/usr/bin/env python3
"""An agent runtime that asks for a credential of its own for every tool call.

It talks to the Taskpass agent's Unix socket with nothing but the standard library. Each tool call is a job:
opened just before, tied to the connection on which it was opened, and closed right after. If this process dies
in between, the connection closes, and the credential is gone with it.

    TASKPASS_AGENT_SOCKET=/run/taskpass/agent.sock ./runtime.py URL
"""

import contextlib
import http.client
import json
import os
import socket
import sys
import urllib.request


class AgentConnection(http.client.HTTPConnection):
    """HTTP over the agent's Unix socket."""

    def __init__(self, path):
        super().__init__("agent", timeout=30)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Denied(Exception):
    """The broker or the agent said no; the text says why and what to do."""


@contextlib.contextmanager
def task(name, params, socket_path):
    """Opens a job, gives its tokens by name, and closes it, whatever happens in between."""
    agent = AgentConnection(socket_path)

    def call(method, path, body=None):
        agent.request(method, path, json.dumps(body) if body is not None else None)
        response = agent.getresponse()
        answer = json.loads(response.read() or b"null")
        if response.status >= 400:
            raise Denied(f"{answer['reason']}: {answer['detail']}")
        return answer

    opened = call("POST", "/v1/jobs", {"task": name, "params": params, "anchor": {"type": "connection"}})
    try:
        yield {credential["name"]: credential["token"] for credential in opened["credentials"]}
    finally:
        call("DELETE", f"/v1/jobs/{opened['job']}?wait_seconds=10")
        agent.close()


def read_document(url, tokens):
    """A tool: reads a document with the token made for this one call."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {tokens['docs-api']}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        return response.read().decode()


def main():
    socket_path = os.environ.get("TASKPASS_AGENT_SOCKET", "/run/taskpass/agent.sock")
    for url in sys.argv[1:]:
        with task("deploy-docs", {"ref": "refs/heads/main"}, socket_path) as tokens:
            print(read_document(url, tokens))
    try:
        with task("launch-rockets", {}, socket_path):
            print("this is never reached")
    except Denied as denied:
        print(f"denied: {denied}")


if __name__ == "__main__":
    main()
