"""Certificates, made by the openssl command."""

import ssl
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

EC: Final = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
RSA: Final = ["-newkey", "rsa:2048", "-nodes"]


class Authority:
    """A CA of the test's own, and what it has signed."""

    def __init__(self, home: Path, name: str = "test ca") -> None:
        self._home = home
        self._run(
            *("req", "-x509", *EC, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
        )
        self._serial = 6
        self.issue("server", "DNS:api.test,IP:127.0.0.1")
        self.issue("client", "DNS:sidecar.test")

    def issue(
        self,
        name: str,
        names: str,
        subject: str = "",
        days: int = 2,
        also: str = "",
        *,
        key: Sequence[str] = EC,
    ) -> None:
        """A certificate for these names; ``also``: a further extension."""
        self._serial += 1
        (self._home / "ext").write_text(f"subjectAltName={names}\n{also}\n")
        self._run(
            "req", *key, "-keyout", f"{name}.key", "-out", "csr", "-subj", subject or f"/CN={name}"
        )
        self._run(
            *("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-days", str(days)),
            *("-set_serial", str(self._serial), "-extfile", "ext", "-out", f"{name}.pem"),
        )

    def sign_itself(self, name: str) -> None:
        """A certificate that no authority has signed, and that is none."""
        no_authority = "basicConstraints=critical,CA:FALSE"
        self._run(
            *("req", "-x509", *EC, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-days", "2"),
            *("-subj", f"/CN={name}", "-addext", no_authority),
        )

    def revoke(self, *names: str, file: str = "revoked.pem", until: str = "20990101000000Z") -> str:
        """The path of a file with the CA and a list of these certificates, valid until then."""
        config = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\ndefault_md=sha256\n"
        (self._home / "ca.cnf").write_text(config)
        (self._home / "index").write_text("")
        ca = ("ca", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key")
        for name in names:
            self._run(*ca, "-revoke", f"{name}.pem")
        times = ("-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", until)
        self._run(*ca, "-gencrl", *times, "-out", "crl.pem")
        both = [(self._home / name).read_text() for name in ("ca.pem", "crl.pem")]
        (self._home / f"{file}.new").write_text("".join(both))
        (self._home / f"{file}.new").replace(self._home / file)
        return self.path(file)

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
