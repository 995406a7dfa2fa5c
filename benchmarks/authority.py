"""An authority for certificates, for tests and benchmarks of TLS."""

import datetime
import ipaddress

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = ("localhost", "127.0.0.1")
_DAY = datetime.timedelta(days=1)


class Authority:
    """Signs certificates.

    Args:
        name: of the authority.

    Attributes:
        pem: its own certificate.
    """

    def __init__(self, name):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        certificate = _signed(self._name, self._key.public_key(), self._name, self._key, (), is_authority=True)
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, name="localhost", hosts=HERE, days=(-1, 30), passphrase=None, by_itself=False):
        """(certificate, key) in PEM.

        Args:
            name: whose.
            hosts: names and addresses that it is good for.
            days: from so many days from now until so many it is valid.
            passphrase: encrypts the key.
            by_itself: whether it is signed by its own key and not by the authority.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        issuer, issuer_key = (subject, key) if by_itself else (self._name, self._key)
        certificate = _signed(subject, key.public_key(), issuer, issuer_key, hosts, days)
        encryption = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        return certificate.public_bytes(serialization.Encoding.PEM), key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )

    def write(self, folder, stem="server", **options):
        """Writes what `issue` returns to stem.pem and stem.key; returns the paths."""
        paths = folder / f"{stem}.pem", folder / f"{stem}.key"
        for path, content in zip(paths, self.issue(**options), strict=True):
            path.write_bytes(content)
        return paths


def _name(text):
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _signed(subject, public_key, issuer, issuer_key, hosts, days=(-1, 30), is_authority=False):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + days[0] * _DAY)
        .not_valid_after(now + days[1] * _DAY)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
    )
    names = [x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host) for host in hosts]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
