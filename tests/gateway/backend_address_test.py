import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway.backend_address import BackendAddress


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("host:8500", ("host:8500", "http://host:8501", None)),
        (" 10.0.0.5:1:2", ("10.0.0.5:1", "http://10.0.0.5:2", None)),
        ("[::1]:8500", ("[::1]:8500", "http://[::1]:8501", None)),
        ("serving.default.svc:9000:65535", ("serving.default.svc:9000", "http://serving.default.svc:65535", None)),
        ("unix:/run/tsd", ("unix:/run/tsd/grpc.sock", "http://localhost", "/run/tsd/rest.sock")),
    ],
)
def test_addresses(text, expected):
    assert BackendAddress.parse(text)[1:] == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "host", "host:", ":8500", "host:0", "host:65536", "host:1:0", "http://host:1", "::1:8500", "a b:1"),
        *("u@h:1", "unix:", "unix:run"),
    ],
)
def test_what_is_none(text):
    with pytest.raises(UserError, match=r"`backends` must be host:port\[:rest_port\]"):
        BackendAddress.parse(text)
