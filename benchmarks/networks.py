"""Networks to measure."""


def load(workdir, preset):
    """(Config, network, class names) of a trained run, or of a preset with random weights.

    Args:
        workdir: the run's work directory; None for random weights.
        preset: "kinetics400" or "sample".
    """
    import keras

    from tsd_tf import config as configurations
    from tsd_tf.network_builder import build_network
    from tsd_tf.work_directory import WorkDirectory

    if workdir:
        run = WorkDirectory(workdir)
        return run.config(), run.load_network(), run.labels()
    config = getattr(configurations, preset)()
    keras.utils.set_random_seed(0)
    return config, build_network(config), [f"class {index}" for index in range(config.num_classes)]
