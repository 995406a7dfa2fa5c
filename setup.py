"""Installs tsd_tf, the shard builders and their commands: `pip install .`."""

import pathlib
import re

from setuptools import find_packages, setup

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(r'__version__ = "([^"]+)"', (_ROOT / "tsd_tf/__init__.py").read_text())[1]

setup(
    name="tsd_tf",
    version=_VERSION,
    description="Temporal Sequence Distillation: few-frame action recognition, split between client and cloud",
    long_description=(_ROOT / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.13",
    packages=find_packages(include=["tsd_tf", "tsd_tf.*", "tfrecords", "tfrecords.*"]),
    package_data={"tsd_tf.data.labels": ["*.txt"]},
    install_requires=[
        "tensorflow>=2.16.2,<2.22",
        "keras>=3.12,<4",
        "h5py>=3.10",
        "numpy>=1.26",
        "absl-py>=2.0",
        "opencv-python-headless>=4.11",
        "ai-edge-litert>=2.0",
        "google-crc32c>=1.5",
        "grpcio>=1.60",
        "grpcio-health-checking>=1.60",
        "aiohttp>=3.9",
        "tensorflow-serving-api>=2.16,<2.22",
        "tqdm>=4.66",
        "matplotlib>=3.8",
        "scikit-learn>=1.4",
    ],
    extras_require={
        # Shards on s3:// need tensorflow-io, whose libraries load under TensorFlow 2.16 only.
        "remote": ["tensorflow==2.16.2", "tensorflow-io==0.37.1"],
        # Builders as pipelines on many machines (--runner).
        "beam": ["apache-beam>=2.60"],
    },
    entry_points={
        "console_scripts": [
            "tsd-train-kinetics=tsd_tf.programs.train_kinetics:start",
            "tsd-train-ucf101=tsd_tf.programs.train_ucf101:start",
            "tsd-evaluate=tsd_tf.programs.evaluate:start",
            "tsd-report=tsd_tf.evaluation.report:start",
            "tsd-build-kinetics=tfrecords.build_kinetics:start",
            "tsd-build-ucf101=tfrecords.build_ucf101:start",
            "tsd-build-custom=tfrecords.build_custom:start",
            "tsd-build-sample=tfrecords.build_sample:start",
            "tsd-verify=tfrecords.verify:start",
            "tsd-export=tsd_tf.export.__main__:start",
            "tsd-serve=tsd_tf.serving.__main__:start",
            "tsd-efficiency=tsd_tf.efficiency.__main__:start",
            "tsd-convert-i3d=tsd_tf.programs.convert_i3d:start",
            "tsd-client=tsd_tf.client.__main__:start",
        ]
    },
)
