import logging
import os
import subprocess
import sys
import time

import grpc
import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.gateway import tokens
from tsd_tf.gateway.tokens import Tokens
from tsd_tf.serving.refusal import Refusal

_HASH = tokens.sha256("secret")


def _tokens(tmp_path, text):
    path = tmp_path / "tokens.txt"
    path.write_text(text)
    return Tokens(path)


def _refused(admitted, header, num_bytes=1):
    with pytest.raises(Refusal) as caught:
        admitted.admit(header, num_bytes)
    return caught.value


def _soon(condition):
    """Whether it becomes true within ten seconds."""
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def _is_admitted(admitted, token):
    try:
        return bool(admitted.admit(f"Bearer {token}", 1))
    except Refusal:
        return False


def test_the_hash_is_sha256():
    assert tokens.sha256("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_who_is_admitted(tmp_path):
    admitted = _tokens(tmp_path, f"# cameras\n\na {_HASH}  # the first\nb {tokens.sha256('other').upper()}\n")
    assert admitted.admit("Bearer secret", 1) == "a"
    assert admitted.admit(" bearer  other ", 1) == "b"
    for header, reason in (
        (None, "no_token"),
        ("", "no_token"),
        ("Bearer", "no_token"),
        ("Basic secret", "no_token"),
        ("secret", "no_token"),
        ("Bearer secret2", "bad_token"),
        ("Bearer Secret", "bad_token"),
        (f"Bearer {_HASH}", "bad_token"),
        ("Bearer \udcff\ud800\u00e9", "bad_token"),
    ):
        refusal = _refused(admitted, header)
        assert (refusal.code, refusal.http_status) == (grpc.StatusCode.UNAUTHENTICATED, 401)
        assert refusal.reason == reason
        assert refusal.retry_after is None
        assert "secret" not in refusal.message.lower()


def test_quotas_are_each_ones_own(tmp_path):
    text = f"a {_HASH} rate=3/hour bytes=1000/day\nb {tokens.sha256('b')} bytes=10/hour\nc {tokens.sha256('c')}\n"
    admitted = _tokens(tmp_path, text)
    assert [admitted.admit("Bearer secret", size) for size in (600, 300)] == ["a", "a"]
    refusal = _refused(admitted, "Bearer secret", 101)
    assert (refusal.code, refusal.http_status) == (grpc.StatusCode.RESOURCE_EXHAUSTED, 429)
    assert (refusal.reason, refusal.message) == ("quota", "beyond the quota of a: bytes=1000/day")
    assert 86_000 < refusal.retry_after <= 86_400
    assert admitted.admit("Bearer secret", 100) == "a"  # what was refused has cost nothing, not even a request
    refusal = _refused(admitted, "Bearer secret", 0)
    assert refusal.message == "beyond the quota of a: rate=3/hour"
    assert 3500 < refusal.retry_after <= 3600
    assert _refused(admitted, "Bearer b", 11).retry_after is None  # however long it waits
    assert admitted.admit("Bearer b", 10) == "b"
    assert [admitted.admit("Bearer c", 10**12) for _ in range(100)] == ["c"] * 100


def test_a_quota_comes_back(tmp_path):
    admitted = _tokens(tmp_path, f"a {_HASH} rate=1/second\n")
    admitted.admit("Bearer secret", 1)
    wait = _refused(admitted, "Bearer secret").retry_after
    assert 0 < wait <= 1
    time.sleep(wait + 0.01)
    assert admitted.admit("Bearer secret", 1) == "a"


@pytest.mark.parametrize("jump", [-86_400, 86_400])
def test_quotas_begin_anew_when_the_clock_is_set(tmp_path, monkeypatch, jump):
    """Otherwise a clock that is put back by a day would refuse everybody for that day."""
    admitted = _tokens(tmp_path, f"a {_HASH} rate=2/second bytes=10/second\n")
    for size in (1, 1):
        admitted.admit("Bearer secret", size)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert [admitted.admit("Bearer secret", 5) for _ in range(2)] == ["a", "a"]
    assert _refused(admitted, "Bearer secret").retry_after <= 1


def test_the_file_is_followed(tmp_path, caplog):
    admitted = _tokens(tmp_path, f"a {_HASH} rate=2/hour\n")
    path = tmp_path / "tokens.txt"
    admitted.admit("Bearer secret", 1)
    path.write_text(f"b {tokens.sha256('new')}\na {_HASH} rate=2/hour\n")
    assert _soon(lambda: _is_admitted(admitted, "new"))
    admitted.admit("Bearer secret", 1)
    assert _refused(admitted, "Bearer secret").reason == "quota"  # which counts on
    with caplog.at_level(logging.ERROR):
        path.write_text(f"b {tokens.sha256('new')}\nc typed-the-secret-itself\n")
        assert _soon(lambda: _is_admitted(admitted, "new") and caplog.records)
        (record,) = caplog.records
        assert record.getMessage().startswith(f"{path}, line 2: expected a token's SHA-256 as 64 hexadecimal digits")
        assert "typed" not in record.getMessage()
    path.write_text(f"a {_HASH}\n")
    assert _soon(lambda: not _is_admitted(admitted, "new"))
    assert admitted.admit("Bearer secret", 1) == "a"
    caplog.clear()
    path.unlink()
    assert _soon(lambda: not _is_admitted(admitted, "secret"))
    (record,) = caplog.records
    assert record.getMessage() == f"{path} is gone: nobody is admitted"
    path.write_text(f"a {_HASH}\n")
    assert _soon(lambda: _is_admitted(admitted, "secret"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a", "expected a token's SHA-256 as 64 hexadecimal digits, got 0 characters"),
        ("a 12", "expected a token's SHA-256 as 64 hexadecimal digits, got 2 characters"),
        (f"a! {_HASH}", "`name` must be 1 to 64 letters"),
        (f"a {_HASH} 20/second", r"expected NAME SHA256 \[rate=20/second\]"),
        (f"a {_HASH} rate=1/second rate=2/second", r"expected NAME SHA256 \[rate=20/second\]"),
        (f"a {_HASH} speed=20/second", r"expected NAME SHA256 \[rate=20/second\]"),
        (f"a {_HASH} rate=often", "`rate` must be a number per second.* Received: rate=often"),
        (f"a {_HASH} bytes=1/day;5/hour", "`bytes` must be a number per second.* Received: bytes=1/day;5/hour"),
        (f"a {_HASH} rate=0/second", "`rate` must be a number per second.* Received: rate=0/second"),
        (f"b {_HASH}", "b is there already"),
        (f"a {tokens.sha256('b')}", "the token of a is another one's already"),
    ],
)
def test_a_line_that_is_wrong_is_named(tmp_path, line, message):
    with pytest.raises(UserError, match=f"tokens.txt, line 3: {message}"):
        _tokens(tmp_path, f"# names\nb {tokens.sha256('b')}\n{line}\n")


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(UserError, match="cannot read .*tokens.txt: No such file"):
        Tokens(tmp_path / "tokens.txt")
    (tmp_path / "tokens.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="tokens.txt: expected text in UTF-8"):
        Tokens(tmp_path / "tokens.txt")


def _program(path, *flags):
    command = [sys.executable, "-m", "tsd_tf.programs.gateway_token", f"--tokens={path}", *flags]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_program_that_makes_tokens(tmp_path):
    path = tmp_path / "tokens.txt"
    first = _program(path, "--name=camera-7", "--rate=20/second", "--bytes=5000000000/day")
    assert (first.returncode, first.stderr) == (0, "")
    token = first.stdout.strip()
    assert len(token) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    line = f"camera-7 {tokens.sha256(token)} rate=20/second bytes=5000000000/day\n"
    assert path.read_text() == line
    admitted = Tokens(path)
    assert admitted.admit(f"Bearer {token}", 1) == "camera-7"
    path.write_text(f"# cameras\n{line}")
    os.chmod(path, 0o640)  # whoever runs the gateway may be another user
    second = _program(path, "--name=b").stdout.strip()
    assert second != token
    assert path.read_text() == f"# cameras\n{line}b {tokens.sha256(second)}\n"
    assert path.stat().st_mode & 0o777 == 0o640
    for flags, message in (
        (["--name=b"], "b is there already"),
        (["--name=a b"], "--name must be 1 to 64 letters"),
        (["--name=c", "--rate=often"], "--rate must be a number per second"),
        (["--name=c", "--bytes=20 per second"], "--bytes must be a number per second"),
        (["--name=c", "--revoke"], "there is no token of c"),
        ([], "--name"),
    ):
        done = _program(path, *flags)
        assert done.returncode in (1, 2)
        assert done.stdout == ""
        assert message in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    assert path.read_text() == f"# cameras\n{line}b {tokens.sha256(second)}\n"
    assert _program(path, "--name=camera-7", "--revoke").returncode == 0
    assert path.read_text() == f"# cameras\nb {tokens.sha256(second)}\n"
    assert _soon(lambda: not _is_admitted(admitted, token))
