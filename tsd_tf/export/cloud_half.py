"""The cloud half as TensorFlow functions: what TensorFlow Serving calls."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from keras import ops

from tsd_tf.contract import signatures
from tsd_tf.data.preprocessing import to_network_input
from tsd_tf.export.batch_norm_folding import folded_copy
from tsd_tf.main_networks.interface import is_own, output_shape
from tsd_tf.network import FewFrameNetwork

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture_size(contents: tf.Tensor) -> tf.Tensor:
    """Height and width that the header of a JPEG or PNG picture gives, without decoding it.

    Args:
        contents: scalar string tensor.

    Returns:
        int32 tensor (2,).
    """

    def png():
        # IHDR comes first: width and height are big-endian at bytes 16 to 23.
        # A picture that ends before them is of 0 x 0 pixels.
        padded = tf.strings.join([contents, "\0" * 24])
        header = tf.io.decode_raw(tf.strings.substr(padded, 16, 8), tf.uint8, fixed_length=8)
        parts = tf.reshape(tf.cast(header, tf.int32), (2, 4))
        width, height = tf.unstack(tf.linalg.matvec(parts, tf.constant([1 << 24, 1 << 16, 1 << 8, 1])))
        return tf.stack([height, width])

    is_png = tf.equal(tf.strings.substr(contents, 0, len(_PNG_SIGNATURE)), _PNG_SIGNATURE)
    return tf.cond(is_png, png, lambda: tf.image.extract_jpeg_shape(contents)[:2])


class CloudHalf:
    """Distilled frames -> logits, probabilities and the likeliest classes by name.

    Batch norm of this package's main networks is folded; any other network is taken as it is.

    Args:
        network: built.
        labels: the class names, by label.
        frame_size: edge of its frames, pixels.

    Attributes:
        weights: the tf.Variables that the signatures read.
        clip_shape: (T_s, H, W, 3).
    """

    def __init__(self, network: FewFrameNetwork, labels: Sequence[str], frame_size: int) -> None:
        main_network = network.main_network
        self.clip_shape = (network.selector.num_distilled_frames, frame_size, frame_size, 3)
        shape = (None, *self.clip_shape)
        num_classes = output_shape(main_network, shape)[-1]
        if len(labels) != num_classes:
            raise ValueError(f"`labels` must name each of the {num_classes} classes. Received: {len(labels)}")
        if is_own(main_network):
            self._main_network, self.weights = folded_copy(main_network, shape)
        else:
            self._main_network, self.weights = main_network, [variable.value for variable in main_network.variables]
        self._labels = list(labels)

    def _logits(self, frames):
        return ops.cast(self._main_network(to_network_input(frames), training=False), "float32")

    def _named(self, logits, probabilities):
        scores, indices = tf.math.top_k(probabilities, k=min(signatures.TOP_K, len(self._labels)))
        return {
            signatures.LOGITS: logits,
            signatures.PROBABILITIES: probabilities,
            signatures.CLASSES: tf.gather(tf.constant(self._labels), indices),
            signatures.SCORES: scores,
        }

    def answer(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Logits of clips, float32 (batch, num_classes), to the answer of each."""
        return self._named(logits, tf.nn.softmax(logits))

    def answer_videos(self, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Logits of the Q clips of videos, float32 (batch, Q, num_classes), to one answer a video."""
        return self._named(tf.reduce_mean(logits, axis=1), tf.reduce_mean(tf.nn.softmax(logits), axis=1))

    def decode(self, frames_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Clips of encoded pictures, string (batch, T_s), to their frames, uint8 (batch, T_s, H, W, 3).

        A picture's size is read from its header first: one of another size is refused before memory is spent on it.
        """
        size = self.clip_shape[1:3]

        def decode(contents):
            refuse = tf.debugging.assert_equal(
                picture_size(contents), size, f"frames_bytes must hold pictures of {size[0]} x {size[1]} pixels"
            )
            with tf.control_dependencies([refuse]):
                picture = tf.io.decode_image(contents, channels=3, expand_animations=False)
            return tf.ensure_shape(picture, (*size, 3))

        pictures = tf.map_fn(
            decode, tf.reshape(frames_bytes, (-1,)), fn_output_signature=tf.TensorSpec((*size, 3), tf.uint8)
        )
        return {signatures.FRAMES: tf.reshape(pictures, (-1, *self.clip_shape))}

    def classify(self, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        """Clips, uint8 (batch, T_s, H, W, 3), to the answer of each."""
        return self.answer(self._logits(frames))

    def classify_pictures(self, frames_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        """Clips of encoded pictures, string (batch, T_s), to the answer of each; see `decode`."""
        return self.classify(self.decode(frames_bytes)[signatures.FRAMES])

    def classify_videos(self, frames: tf.Tensor) -> dict[str, tf.Tensor]:
        """The Q clips of each video, uint8 (batch, Q, T_s, H, W, 3), to one answer a video: probabilities averaged."""
        batch, num_clips = tf.unstack(tf.shape(frames)[:2])
        logits = self._logits(tf.reshape(frames, (-1, *self.clip_shape)))
        return self.answer_videos(tf.reshape(logits, (batch, num_clips, len(self._labels))))

    def signatures(self) -> dict[str, Any]:
        """The signatures as TensorFlow functions, by name; see tsd_tf.contract.signatures."""
        clips = tf.TensorSpec((None, *self.clip_shape), tf.uint8, signatures.FRAMES)
        pictures = tf.TensorSpec((None, self.clip_shape[0]), tf.string, signatures.FRAMES_BYTES)
        videos = tf.TensorSpec((None, None, *self.clip_shape), tf.uint8, signatures.FRAMES)
        return {
            signatures.SERVING_DEFAULT: tf.function(self.classify, [clips], autograph=False),
            signatures.JPEG: tf.function(self.classify_pictures, [pictures], autograph=False),
            signatures.VIDEO: tf.function(self.classify_videos, [videos], autograph=False),
        }

    def rest_signatures(self) -> dict[str, Any]:
        """What the signatures do before and after the main network; see tsd_tf.contract.signatures.OPENVINO_REST."""
        pictures = tf.TensorSpec((None, self.clip_shape[0]), tf.string, signatures.FRAMES_BYTES)
        logits = tf.TensorSpec((None, len(self._labels)), tf.float32, signatures.LOGITS)
        of_videos = tf.TensorSpec((None, None, len(self._labels)), tf.float32, signatures.LOGITS)
        return {
            signatures.JPEG: tf.function(self.decode, [pictures], autograph=False),
            signatures.SERVING_DEFAULT: tf.function(self.answer, [logits], autograph=False),
            signatures.VIDEO: tf.function(self.answer_videos, [of_videos], autograph=False),
        }
