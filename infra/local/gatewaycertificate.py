"""A certificate of the gateway's own, for machines that have none: it names this machine and signs itself."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.local import secretfiles

DAYS, RENEW_DAYS = 825, 30
NAMES = ("localhost", "gateway")
ADDRESSES = ("127.0.0.1", "::1")


def obtain(seeds: Path) -> tuple[str, str]:
    """Certificate and key as PEM; made on first use, and again a month before the certificate ends."""
    key = secretfiles.obtain(seeds, "gateway_key", _new_key)
    certificate = secretfiles.obtain(seeds, "gateway_certificate", lambda: _sign(key))
    ends = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    if ends < datetime.now(UTC) + timedelta(days=RENEW_DAYS):
        certificate = _sign(key)
        secretfiles.write(seeds / "gateway_certificate", certificate)
    return certificate, key


def _new_key() -> str:
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        .decode()
    )


def _sign(key: str) -> str:
    """Its own authority, so that a client trusts it by naming this one file."""
    private = serialization.load_pem_private_key(key.encode(), None)
    assert isinstance(private, ec.EllipticCurvePrivateKey)  # noqa: S101  # made above
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Floyo gateway")])
    public, now = private.public_key(), datetime.now(UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in NAMES]
    alternatives += [x509.IPAddress(ipaddress.ip_address(each)) for each in ADDRESSES]
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    return builder.sign(private, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
