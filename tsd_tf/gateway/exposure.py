"""Who may reach the gateway without what."""

from tsd_tf.contract.errors import UserError
from tsd_tf.serving.listen_address import ListenAddress


def protection(host: str, *, tls: bool, tokens: bool, client_ca: bool, behind_proxy: bool) -> str:
    """What protects a gateway on `host`, in words.

    Args:
        host: address to listen on; see ListenAddress.
        tls: whether it speaks TLS only.
        tokens: whether it wants tokens.
        client_ca: whether it wants clients' certificates.
        behind_proxy: whether something else that protects it stands before it.

    Raises:
        UserError: nothing does, and it would be reached from other machines.
    """
    said = ["TLS" if tls else "no TLS", "tokens" if tokens else "no tokens"]
    if client_ca:
        said.append("client certificates")
    if ListenAddress(host, 0, "").is_local:
        said.append("this machine only")
    elif not (tls and (tokens or client_ca)):
        if not behind_proxy:
            raise UserError(
                f"beyond this machine the gateway needs TLS (`tls_cert`, `tls_key`) and one of `tokens` and "
                f"`client_ca`; `behind_proxy` is for what a proxy protects. Received: host={host}"
            )
        said.append("left to a proxy")
    return ", ".join(said)
