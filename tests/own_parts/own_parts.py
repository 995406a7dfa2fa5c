"""Parts as a user writes them, outside of tsd_tf: main networks of every kind, and selectors."""

import keras
from keras import ops

import tsd_tf
from tsd_tf.selectors import CoarseSelector


def functional(input_shape, num_classes):
    """A functional model whose first layers are frozen, batch norm with statistics of its own among them."""
    inputs = keras.Input(input_shape)
    x = keras.layers.Conv3D(4, 3, strides=2, padding="same", name="stem")(inputs)
    x = keras.layers.BatchNormalization(
        moving_mean_initializer=keras.initializers.RandomNormal(stddev=0.1), name="stem_norm"
    )(x)
    x = keras.layers.Conv3D(8, 3, strides=2, padding="same", activation="relu", name="body")(x)
    x = keras.layers.BatchNormalization(name="body_norm")(x)
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling3D()(x))
    model = keras.Model(inputs, keras.layers.Dense(num_classes, name="head")(x))
    model.get_layer("stem").trainable = model.get_layer("stem_norm").trainable = False
    return model


def sequential(input_shape, num_classes):
    """A Sequential model that is built when it is first called."""
    return keras.Sequential(
        [
            keras.layers.Conv3D(4, 3, strides=2, activation="relu", trainable=False),
            keras.layers.Conv3D(6, 3, padding="same"),
            keras.layers.GlobalAveragePooling3D(),
            keras.layers.Dense(num_classes),
        ]
    )


class Subclassed(keras.Model):
    """A subclassed model with neither `get_config` nor `build`, nor `training` among the arguments of its call."""

    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.body = keras.Sequential([keras.layers.Conv3D(4, 3, strides=2), keras.layers.BatchNormalization()])
        self.pool = keras.layers.GlobalAveragePooling3D()
        self.dropout = keras.layers.Dropout(0.5)
        self.head = keras.layers.Dense(num_classes)

    def call(self, frames):
        return self.head(self.dropout(self.pool(ops.relu(self.body(frames)))))


class PlainLayer(keras.layers.Layer):
    """A layer, its head a convolution."""

    def __init__(self, input_shape, num_classes):
        super().__init__()
        self.body = keras.layers.Conv3D(4, 3, strides=2, activation="relu")
        self.head = keras.layers.Conv3D(num_classes, 1)

    def call(self, frames):
        return ops.mean(self.head(self.body(frames)), axis=(1, 2, 3))


def with_softmax(input_shape, num_classes):
    model = functional(input_shape, num_classes)
    return keras.Model(model.input, keras.layers.Softmax()(model.output))


def of_other_classes(input_shape, num_classes):
    return functional(input_shape, num_classes + 1)


def of_every_frame(input_shape, num_classes):
    return keras.Sequential([keras.layers.AveragePooling3D((1, *input_shape[1:3])), keras.layers.Dense(num_classes)])


def of_two_answers(input_shape, num_classes):
    model = functional(input_shape, num_classes)
    return keras.Model(model.input, [model.output, model.output])


def of_long_clips(input_shape, num_classes):
    return functional((64, *input_shape[1:]), num_classes)


def no_network(input_shape, num_classes):
    return lambda frames: frames


class Attention(tsd_tf.Selector):
    """A learned selector without a coarse extractor: a softmax over the frames for every distilled one."""

    is_learned = True

    def __init__(self, num_frames, num_distilled_frames, **kwargs):
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        self.look = keras.layers.Conv3D(4, (1, 8, 8), strides=(1, 8, 8), activation="relu")
        self.score = keras.layers.Dense(num_distilled_frames, kernel_initializer="he_normal")

    def call(self, frames, seeds=None, training=None):
        return ops.softmax(self.score(ops.mean(self.look(frames), axis=(2, 3))), axis=1)


class Coarse(CoarseSelector):
    """A learned selector of coarse features, frozen itself: its head alone is trained."""

    def __init__(self, num_frames, num_distilled_frames, **kwargs):
        super().__init__(num_frames, num_distilled_frames, **kwargs)
        # A MobileNet of random weights answers small numbers.
        self.score = keras.layers.Dense(
            num_distilled_frames, kernel_initializer=keras.initializers.RandomNormal(0, 1e4)
        )
        self.coarse_extractor.trainable = False

    def call(self, frames, seeds=None, training=None):
        features = self.encode_clips(frames, training=training)
        return ops.softmax(self.score(ops.mean(features, axis=(2, 3))), axis=1)


class Brightest(tsd_tf.Selector):
    """The brightest frames in time order: it looks at the frames, and has no weights."""

    def call(self, frames, seeds=None, training=None):
        best = ops.top_k(ops.mean(frames, axis=(2, 3, 4)), self.num_distilled_frames)[1]
        return ops.transpose(ops.one_hot(ops.sort(best, axis=1), self.num_frames, dtype="float32"), (0, 2, 1))


not_callable = 3
