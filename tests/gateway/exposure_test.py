import itertools

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway.exposure import protection

_OPEN = ("0.0.0.0", "::", "10.0.0.5", "example.org")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "unix:/run/tsd"])
def test_this_machine_needs_nothing(host):
    said = protection(host, tls=False, tokens=False, client_ca=False, behind_proxy=False)
    assert said == "no TLS, no tokens, this machine only"


@pytest.mark.parametrize(("host", "tls", "tokens", "client_ca"), itertools.product(_OPEN, *[(False, True)] * 3))
def test_others_need_tls_and_a_name(host, tls, tokens, client_ca):
    arguments = {"tls": tls, "tokens": tokens, "client_ca": client_ca}
    if tls and (tokens or client_ca):
        said = protection(host, **arguments, behind_proxy=False)
        assert said.split(", ") == ["TLS", "tokens" if tokens else "no tokens", *["client certificates"] * client_ca]
        return
    with pytest.raises(UserError, match="beyond this machine the gateway needs TLS"):
        protection(host, **arguments, behind_proxy=False)
    assert protection(host, **arguments, behind_proxy=True).endswith("left to a proxy")
