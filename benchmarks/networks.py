"""Networks to measure, and clips for them."""


def load(workdir, preset, **changes):
    """(Config, network, class names) of a trained run, or of a preset with random weights.

    Args:
        workdir: the run's work directory; None for random weights.
        preset: "kinetics400" or "sample".
        changes: fields of the preset's Config, None for its own.
    """
    import dataclasses

    import keras

    from tsd_tf import config as configurations
    from tsd_tf.network_builder import build_network
    from tsd_tf.work_directory import WorkDirectory

    if workdir:
        run = WorkDirectory(workdir)
        return run.config(), run.load_network(), run.labels()
    given = {name: value for name, value in changes.items() if value is not None}
    config = dataclasses.replace(getattr(configurations, preset)(), **given)
    keras.utils.set_random_seed(0)
    return config, build_network(config), [f"class {index}" for index in range(config.num_classes)]


def clips(config, workdir):
    """(clips, other clips), both uint8 (4, T, crop, crop, 3): real ones of a trained run's shards.

    Without a run each has a colour of its own, before which a texture passes: a network of random weights tells them
    apart, and they take a codec as much as natural ones.

    Args:
        config: of the network.
        workdir: as for `load`.
    """
    import cv2
    import numpy as np

    from tsd_tf.export import real_clips

    if workdir:
        checked, _ = real_clips.clips_to_check(config, config.data_dir, 4)
        return checked, real_clips.representative_clips(config, config.data_dir, 32, 4)[0]
    draw = np.random.default_rng(0)
    size = config.crop_size
    texture = cv2.resize(draw.integers(0, 256, (8, size // 8, size // 4), "uint8").transpose(1, 2, 0), (2 * size, size))
    colours = draw.integers(0, 256, (8, 1, 1, 1, 3))
    moving = [texture[:, 2 * index : 2 * index + size].transpose(2, 0, 1) for index in range(config.num_frames)]
    found = ((colours + np.stack(moving, 1)[..., None]) // 2).astype("uint8")
    return found[:4], found[4:]
