"""docs/nginx.conf as a process in front of the service: only ports, places and limits are put into it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from qa.access import Access
from tests.conftest import ROOT, Server, starting
from tests.waiting import until

NAME = "qa.example.org"
SHOWN = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
SETTINGS = {"QA_MODEL": "/no/such/model", "QA_HOSTS": NAME, "QA_PROXIES": "127.0.0.1", "QA_LOG_FORMAT": "json"}
_MAIN = """
user {user};
pid {folder}/pid;
daemon off;
error_log {folder}/main.log;
events {{}}
http {{
    gzip on;  # as Debian has it
    access_log {folder}/main.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/chapter-verse.conf;
}}
"""


class ToThisMachine(httpx.HTTPTransport):
    """Leads here, whatever name is asked for."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url, named = request.url.copy_with(host="127.0.0.1"), {"sni_hostname": request.url.host}
        extensions = request.extensions | named
        return super().handle_request(
            httpx.Request(request.method, url, headers=request.headers, stream=request.stream, extensions=extensions)
        )


@dataclass
class Front:
    """nginx as a process."""

    folder: Path
    port: int
    plain_port: int

    @property
    def url(self) -> str:
        return f"https://{NAME}:{self.port}"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.folder / "certificate.pem")

    def client(self, token: str = "", address: str = "127.0.0.1") -> httpx.Client:
        """A client of that address."""
        transport = ToThisMachine(verify=self.trust(), local_address=address)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, transport=transport, headers=headers, timeout=60)

    def connect(self, *protocols: str, trust: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A connection on which nothing was said yet."""
        trust = trust or self.trust()
        trust.set_alpn_protocols(list(protocols) or ["http/1.1"])
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        return trust.wrap_socket(plain, server_hostname=NAME)

    def written(self) -> str:
        """All that it has written: its logs, and whatever else lies in its folder."""
        files = [file for file in self.folder.rglob("*") if file.is_file() and file.suffix not in (".pem", ".conf")]
        return "".join(file.read_text(errors="replace") for file in files)


@dataclass
class Stack:
    """The service, a token for it, and nginx in front of it."""

    server: Server
    front: Front
    token: str
    data: Path

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """One that shows the token."""
        return self.front.client(self.token, address)

    def head(self, request: str, *headers: str) -> bytes:
        """The head of a request over a connection of one's own, without its end."""
        own = (f"Host: {NAME}:{self.front.port}", f"Authorization: Bearer {self.token}")
        return "".join(f"{line}\r\n" for line in (f"{request} HTTP/1.1", *own, *headers)).encode()


@contextmanager
def stacked(folder: Path, limits: Mapping[str, str] | None = None, **given: str) -> Iterator[Stack]:
    """Both started; `limits` replaces parts of the file, the others are settings of the service."""
    data = folder / "data"
    with closing(Access(data)) as access:
        _, token = access.create("tester", "manage")
    with starting(data) as run:
        server = run(**SETTINGS | given)
        with fronting(folder / "nginx", server.url, limits or {}) as front:
            yield Stack(server, front, token, data)


@contextmanager
def fronting(folder: Path, upstream: str, limits: Mapping[str, str]) -> Iterator[Front]:
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program, "the tests of docs/nginx.conf need nginx: install the package nginx-light"
    folder.mkdir()
    certify(folder)
    front = Front(folder, free_port(), free_port())
    (folder / "chapter-verse.conf").write_text(placed(front, upstream, limits))
    (folder / "nginx.conf").write_text(_MAIN.format(folder=folder, user=pwd.getpwuid(os.getuid()).pw_name))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "main.log")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            until(lambda: reached(front.port) or process.poll() is not None)
            assert process.poll() is None, process.communicate()[1]
            yield front
        finally:
            process.terminate()
            process.communicate(timeout=20)


def placed(front: Front, upstream: str, limits: Mapping[str, str]) -> str:
    """The file with ports, places and these limits of its own; each replaced part must stand in it."""
    parts = {
        "listen [::]:80;": "",  # there may be no IPv6 here
        "listen [::]:443 ssl http2;": "",
        "listen 80;": f"listen 127.0.0.1:{front.plain_port};",
        "listen 443 ": f"listen 127.0.0.1:{front.port} ",
        "127.0.0.1:8000": upstream.removeprefix("http://"),
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": f"{front.folder}/certificate.pem",
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": f"{front.folder}/key.pem",
        "/var/log/nginx": str(front.folder),
        "/var/www/html": f"{front.folder}/html",
    }
    text = SHOWN
    for before, after in (parts | dict(limits)).items():
        assert before in text, f"docs/nginx.conf has no {before!r}"
        text = text.replace(before, after)
    return text


def certify(folder: Path) -> None:
    """A key and a certificate for it that nobody else has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)]), datetime.now(UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(secret)
    (folder / "certificate.pem").write_bytes(made.sign(key, hashes.SHA256()).public_bytes(pem))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def reached(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
