"""The bundle for clients: the emulator's authority, public roots, and those that the user's programs trusted before."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import certifi
import pytest

from azureml_emulator.security.certificates import ensure_certificates

END = "-----END CERTIFICATE-----"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_the_bundle_keeps_the_roots_of_a_proxy_once_and_no_other_emulators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a certificate that no public list has, as that of a company's proxy, beside a broken one
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(variable, raising=False)
    other = ensure_certificates(tmp_path / "other", NOW)
    proxy = other.server.read_text()
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    trusted = tmp_path / "trusted.pem"
    trusted.write_text(Path(certifi.where()).read_text() + broken + proxy)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "missing.pem"))
    public = Path(certifi.where()).read_text().count(END)

    bundle = ensure_certificates(tmp_path / "tls", NOW).bundle

    text = bundle.read_text()
    assert text.count(END) == public + 2
    assert text.endswith(proxy)

    # and when the shell has evaluated `env`, the next start keeps them, and takes no emulator's authority
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(other.bundle))
    again = ensure_certificates(tmp_path / "tls", NOW).bundle
    assert again.read_text() == text
