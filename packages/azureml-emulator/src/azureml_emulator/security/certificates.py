"""The emulator's certificate authority, one per state folder, and its server certificate for loopback.

Azure's clients refuse plain HTTP, so the emulator speaks TLS. Nothing is installed in the system: `azureml-emulator
env` names a bundle with this authority. The variables that name a bundle replace a program's own roots, so the bundle
also has the public roots of certifi, where that is installed, and those that the variables named before: behind a proxy
with a certificate of its own, pip and uv trust no others.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import re
import warnings
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from azureml_emulator.kernel.settings import AUTHORITY_FILE, LOOPBACK

_AUTHORITY_DAYS = 3650
_SERVER_DAYS = 365
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(hours=1)
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600
_AUTHORITY_NAME = "Azure ML emulator authority of this machine"
_ROOTS_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


@dataclass(frozen=True)
class Certificates:
    """The files: the authority's certificate, the bundle for clients, the server's certificate and key."""

    authority: Path
    bundle: Path
    server: Path
    server_key: Path


def ensure_certificates(folder: Path, now: datetime) -> Certificates:
    """Create what is missing or about to expire. Valid files stay, so that clients keep trusting them."""
    folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    files = Certificates(
        folder / AUTHORITY_FILE, folder / "bundle.pem", folder / "server.pem", folder / "server-key.pem"
    )
    authority_key = folder / "authority-key.pem"
    if not (authority_key.exists() and _is_valid(files.authority, now)):
        _make_authority(files.authority, authority_key, now)
        files.server.unlink(missing_ok=True)
    if not (files.server_key.exists() and _is_valid(files.server, now)):
        _make_server(files, authority_key, now)
    public = _public_roots()
    _write(files.bundle, files.authority.read_bytes() + public + _further_roots(public))
    return files


def _further_roots(known: bytes) -> bytes:
    """The certificates of the files that the variables name now, without those that are known."""
    seen = {b"".join(block.split()) for block in _PEM.findall(known)}
    found: list[bytes] = []
    for variable in _ROOTS_VARIABLES:
        try:
            blocks = _PEM.findall(Path(os.environ.get(variable, "")).read_bytes())
        except OSError:
            # Unset, or no file: then programs have no use of it either.
            continue
        for block in blocks:
            if (plain := b"".join(block.split())) not in seen and not _is_an_emulators(block):
                seen.add(plain)
                found.append(b"\n" + block + b"\n")
    return b"".join(found)


def _is_an_emulators(block: bytes) -> bool:
    """Whether a certificate is an emulator's authority, as the bundle that `env` names has it; or is none at all."""
    with warnings.catch_warnings():
        # Old roots have serial numbers that a certificate of today may not have.
        warnings.simplefilter("ignore")
        try:
            return x509.load_pem_x509_certificate(block).subject == _name(_AUTHORITY_NAME)
        except ValueError:
            return True


def _public_roots() -> bytes:
    if importlib.util.find_spec("certifi") is None:
        return b""
    import certifi

    return Path(certifi.where()).read_bytes()


def _is_valid(file: Path, now: datetime) -> bool:
    if not file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE


def _make_authority(certificate_file: Path, key_file: Path, now: datetime) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(_AUTHORITY_NAME)
    certificate = (
        _builder(name, name, key.public_key(), now, _AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(key_file, _key_bytes(key))
    _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


def _make_server(files: Certificates, authority_key_file: Path, now: datetime) -> None:
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    authority_key = serialization.load_pem_private_key(authority_key_file.read_bytes(), password=None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{authority_key_file} does not contain an elliptic curve key.")
    key = ec.generate_private_key(ec.SECP256R1())
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(LOOPBACK)), x509.DNSName("localhost")])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(_name(LOOPBACK), authority.subject, key.public_key(), now, _SERVER_DAYS)
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(files.server_key, _key_bytes(key))
    _write(files.server, certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _key_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, content: bytes) -> None:
    """Replace a file atomically, private from its first byte: a client may be reading the old one."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_EXCL, _FILE_MODE), "wb") as stream:
        stream.write(content)
    fresh.replace(file)
