"""Options of the gRPC servers."""

from tsd_tf.serving.intake_limits import IntakeLimits

_MAX_METADATA_BYTES = 16 * 1024


def server_options(limits: IntakeLimits, max_connections: int) -> list[tuple[str, int]]:
    """gRPC's own bounds on whoever connects.

    Args:
        limits: of messages, requests and times.
        max_connections: beyond which a connection is closed before anyone knows whose it is.
    """
    return [
        ("grpc.max_receive_message_length", limits.max_message_bytes),
        ("grpc.max_send_message_length", -1),
        ("grpc.absolute_max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.max_concurrent_streams", 2 * limits.max_concurrent_requests),
        ("grpc.max_allowed_incoming_connections", max_connections),
        ("grpc.server_handshake_timeout_ms", _milliseconds(limits.header_seconds)),
        ("grpc.max_connection_idle_ms", _milliseconds(limits.idle_seconds)),
        ("grpc.max_connection_age_ms", _milliseconds(limits.connection_seconds)),
        ("grpc.max_connection_age_grace_ms", _milliseconds(max(limits.body_seconds, limits.shutdown_grace))),
        # A client that vanished is noticed, and one that wants to be sure of the server may ask often.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.so_reuseport", 0),
    ]


def _milliseconds(seconds: float) -> int:
    return max(1, round(min(seconds * 1000, 2**31 - 1)))
