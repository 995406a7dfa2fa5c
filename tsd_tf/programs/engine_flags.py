"""The flags about what runs the cloud half, for those who run it."""

from absl import flags

from tsd_tf.engines import kinds


def define(prefix: str = "", precision: str = kinds.AUTO) -> None:
    """Defines --engine and --precision.

    Args:
        prefix: what their help begins with.
        precision: the default.
    """
    flags.DEFINE_enum(
        "engine",
        kinds.ENGINES[0],
        kinds.ENGINES,
        f"{prefix}what runs the cloud half; openvino, an extra, needs an export with the same flag",
    )
    flags.DEFINE_enum(
        "precision",
        precision,
        [kinds.AUTO, *kinds.PRECISIONS],
        f"{prefix}what it computes in; auto is bfloat16 where processor and engine are good for it and the "
        "answers stay within the tolerance, otherwise float32; int8, of openvino, needs an export with the same flag",
    )
