"""Certificates, made by the openssl command."""

import ssl
import subprocess
from pathlib import Path
from typing import Final

EC: Final = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


class Authority:
    """A CA of the test's own, and what it has signed."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._run(
            *("req", "-x509", *EC, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
            *("-subj", "/CN=test ca", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign"),
        )
        self.issue("server", "DNS:api.test,IP:127.0.0.1")
        self.issue("client", "DNS:sidecar.test")

    def issue(self, name: str, names: str, subject: str = "", days: int = 2) -> None:
        """A certificate for these names."""
        (self._home / "ext").write_text(f"subjectAltName={names}\n")
        self._run(
            "req", *EC, "-keyout", f"{name}.key", "-out", "csr", "-subj", subject or f"/CN={name}"
        )
        self._run(
            *("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-days", str(days)),
            *("-set_serial", "7", "-extfile", "ext", "-out", f"{name}.pem"),
        )

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._home, check=True, capture_output=True)

    def path(self, name: str) -> str:
        """Where a file of it is."""
        return str(self._home / name)

    def der(self, name: str) -> bytes:
        """A certificate of it in binary."""
        return ssl.PEM_cert_to_DER_cert((self._home / f"{name}.pem").read_text())

    def server(self, *, demands: bool = False) -> ssl.SSLContext:
        """The upstream's side; ``demands`` a certificate of the client's."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.path("server.pem"), self.path("server.key"))
        if demands:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.path("ca.pem"))
        return context
