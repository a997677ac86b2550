"""A small mail server on loopback (RFC 5321) with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954)."""

from __future__ import annotations

import base64
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as modern

from ledgerguard_pipeline_tests.alerts.channels.receivers import serving


@dataclass
class MailBox:
    """What a mail server got, and how it behaves."""

    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    user: str | None = None
    password: str | None = None
    refused: dict[str, int] = field(default_factory=dict)
    """Recipients and the code they are refused with."""
    greeting: str = "220 mail.example.com ready"
    sign_ins: int = 0
    port: int = 0
    silent: bool = False


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, box: MailBox, tls: ssl.SSLContext | None, *, implicit: bool) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.box = box
        self.tls = tls
        self.implicit = implicit
        self.ended = threading.Event()

    def get_request(self) -> tuple[socket.socket, object]:
        link, address = super().get_request()
        if self.implicit and self.tls is not None:
            return self.tls.wrap_socket(link, server_side=True), address
        return link, address

    def handle_error(self, request: object, client_address: object) -> None:
        del request, client_address  # a client that hangs up is what some tests are about


class Session(socketserver.StreamRequestHandler):
    """One client."""

    server: Server

    def setup(self) -> None:
        super().setup()
        self.box = self.server.box
        self.encrypted = self.server.implicit
        self.sender = ""
        self.recipients: list[str] = []

    def handle(self) -> None:
        if self.box.silent:
            self.server.ended.wait(30)
            return
        self.say(self.box.greeting)
        while line := self.rfile.readline(4096):
            verb, _, rest = line.decode("latin-1").rstrip("\r\n").partition(" ")
            if verb.upper() == "QUIT":
                self.say("221 bye")
                return
            action = getattr(self, f"on_{verb.lower()}", None)
            if action is None:
                self.say("250 ok")
            else:
                action(rest)

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def say(self, text: str) -> None:
        self.wfile.write(text.encode("latin-1") + b"\r\n")

    def on_ehlo(self, _rest: str) -> None:
        offers = ["mail.example.com", "AUTH PLAIN"]
        if self.server.tls is not None and not self.encrypted:
            offers.append("STARTTLS")
        for offer in offers[:-1]:
            self.say(f"250-{offer}")
        self.say(f"250 {offers[-1]}")

    def on_starttls(self, _rest: str) -> None:
        assert self.server.tls is not None
        self.say("220 go on")
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.encrypted = True
        self.rfile = self.request.makefile("rb")
        self.wfile = self.request.makefile("wb", buffering=0)

    def on_auth(self, rest: str) -> None:
        given = base64.b64decode(rest.partition(" ")[2]).split(b"\0")[1:]
        wanted = [(self.box.user or "").encode(), (self.box.password or "").encode()]
        self.box.sign_ins += 1
        self.say("235 welcome" if given == wanted else "535 no")

    def on_mail(self, rest: str) -> None:
        self.sender, self.recipients = rest, []
        self.say("250 ok")

    def on_rcpt(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        code = self.box.refused.get(address)
        if code is None:
            self.recipients.append(address)
        self.say("250 ok" if code is None else f"{code} no")

    def on_data(self, _rest: str) -> None:
        self.say("354 go on")
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        self.box.mails.append(message_from_bytes(b"".join(lines), policy=modern))
        self.box.envelopes.append((self.sender, list(self.recipients)))
        self.box.encrypted.append(self.encrypted)
        self.say("250 taken")


@contextmanager
def mail_server(tls: ssl.SSLContext | None = None, *, implicit: bool = False) -> Iterator[MailBox]:
    """A mail server; with ``tls`` it offers STARTTLS, or speaks TLS from the start."""
    box = MailBox()
    server = Server(box, tls, implicit=implicit)
    box.port = int(server.server_address[1])
    with serving(server):
        yield box
        server.ended.set()
