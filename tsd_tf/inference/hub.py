"""Trained networks on the Hugging Face Hub: as weights and a configuration, which are data and no programs.

What comes from there is a stranger's. Three files are taken, by name, none larger than it may be; the configuration may
name no code, and the weights hold plain arrays alone. An export is not taken: a SavedModel is a program.
"""

import contextlib
import dataclasses
import pathlib
import re
import tempfile
from collections.abc import Iterator
from typing import Any

from tsd_tf.config import Config
from tsd_tf.contract import references, signatures
from tsd_tf.contract.errors import UserError
from tsd_tf.contract.text import printable
from tsd_tf.network import FewFrameNetwork
from tsd_tf.network_builder import build_network
from tsd_tf.weights.hdf5 import check_plain, load_weights

SCHEME = "hf://"
_NAME = re.compile(r"hf://([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_CONFIG_FILE, _WEIGHTS_FILE, _CARD_FILE = "config.json", "network.weights.h5", "README.md"
# Bytes that each file may have at most.
_MOST_BYTES = {_CONFIG_FILE: 1 << 18, signatures.LABELS_FILE: 1 << 20, _WEIGHTS_FILE: 2 << 30}
# What a stranger's configuration may ask for at most: it says how much memory is taken before a weight is read.
_LARGEST = {
    "num_classes": 100_000,
    "num_frames": 1024,
    "crop_size": 1024,
    "short_side": 4096,
    "main_network_width": 4,
    "coarse_size": 1024,
    "coarse_width": 4,
    "coarse_stride": 64,
    "embedding_channels": 4096,
    "output_kernel": 15,
}


def download(source: str) -> tuple[FewFrameNetwork, Config, list[str]]:
    """The network of a repository that `upload` wrote, its configuration and its class names.

    Args:
        source: hf://user/name, or hf://user/name@revision.

    Raises:
        UserError: there is no such repository, or it holds something else; the Hub is not reached; the extra `hub` is
            missing.
    """
    repository, revision = _parsed(source)
    with _in_a_line(source):
        from huggingface_hub import HfApi

        api = HfApi(library_name="tsd_tf")
        info = api.model_info(repository, revision=revision, files_metadata=True)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        for name, most in _MOST_BYTES.items():
            if name not in sizes:
                raise UserError(f"{source} holds no {name}: expected a repository that `push` of tsd_tf wrote")
            size = sizes[name]
            if size is None or size > most:
                raise UserError(f"{source}: expected at most {most:,} bytes in {name}, got {size}")
        # All of one commit, whatever is pushed meanwhile.
        paths = {name: pathlib.Path(api.hf_hub_download(repository, name, revision=info.sha)) for name in _MOST_BYTES}
    for name, path in paths.items():
        if path.stat().st_size > _MOST_BYTES[name]:
            raise UserError(f"{source}: {name} is larger than the Hub says")
    try:
        config = _checked(Config.from_json(paths[_CONFIG_FILE].read_text()))
        labels = [printable(line) for line in paths[signatures.LABELS_FILE].read_text().splitlines()]
        check_plain(paths[_WEIGHTS_FILE])
        network = build_network(config)
        load_weights(network, paths[_WEIGHTS_FILE])
    except (UserError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise UserError(f"{source}: {printable(str(error))}") from error
    return network, config, labels


def upload(
    target: str, network: FewFrameNetwork, config: Config, labels: tuple[str, ...], card: str, private: bool
) -> str:
    """Writes a network into a repository, as one commit.

    Args:
        target: hf://user/name; made where it is missing.
        network, config, labels: of a run; folders of its machine are left out.
        card: README.md.
        private: of a repository that is made.

    Returns:
        The address of the commit.

    Raises:
        UserError: the network has parts of the user's own, which others do not have; the Hub is not reached, or
            refuses; the extra `hub` is missing.
    """
    repository, revision = _parsed(target)
    config = _checked(config)
    with tempfile.TemporaryDirectory() as folder:
        weights = pathlib.Path(folder) / _WEIGHTS_FILE
        network.save_weights(weights)
        contents: dict[str, Any] = {
            _CONFIG_FILE: config.to_json().encode(),
            signatures.LABELS_FILE: "".join(f"{label}\n" for label in labels).encode(),
            _WEIGHTS_FILE: weights,
            _CARD_FILE: card.encode(),
        }
        with _in_a_line(target):
            from huggingface_hub import CommitOperationAdd, HfApi

            api = HfApi(library_name="tsd_tf")
            api.create_repo(repository, private=private, exist_ok=True)
            commit = api.create_commit(
                repository,
                [CommitOperationAdd(name, content) for name, content in contents.items()],
                commit_message="A network of tsd_tf",
                revision=revision,
            )
            return commit.commit_url


def _parsed(name: str) -> tuple[str, str | None]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise UserError(
            f"a network on the Hub has the form hf://user/name or hf://user/name@revision. Received: {name}"
        )
    return match[1], match[2]


def _checked(config: Config) -> Config:
    """The configuration without what is of one machine alone; UserError if it names code, or asks for too much."""
    named = [("method", config.method), ("main_network", config.main_network)]
    named += [("augmentations", name) for name in config.augmentations]
    for field, value in named:
        if references.is_reference(value):
            raise UserError(
                f"`{field}` must be a part of tsd_tf: code is not shared by the Hub. Received: {field}={value}"
            )
    for field, largest in _LARGEST.items():
        value = getattr(config, field)
        if not (isinstance(value, int | float) and 0 < value <= largest):
            raise UserError(f"`{field}` must be positive and at most {largest:,}. Received: {field}={value}")
    return dataclasses.replace(config, data_dir="", mobilenet_weights="none")


@contextlib.contextmanager
def _in_a_line(name: str) -> Iterator[None]:
    """A context in which what goes wrong with the Hub is a UserError."""
    try:
        import httpx2
        from huggingface_hub import constants, errors
    except ModuleNotFoundError as error:
        raise UserError(f"{name} needs {error.name}, which is not installed: pip install 'tsd_tf[hub]'") from error
    hub = constants.ENDPOINT
    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError as error:
        raise UserError(f"{name} asks its users to agree to its terms first: {hub}/{_parsed(name)[0]}") from error
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"found no {name} at {hub}; if it is private, `hf auth login` or HF_TOKEN tells who you are"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{name} has no such branch, tag or commit") from error
    except errors.OfflineModeIsEnabled as error:
        raise UserError(f"{name} was not looked for: HF_HUB_OFFLINE is set") from error
    except errors.HfHubHTTPError as error:
        reason = error.server_message or f"HTTP status {error.response.status_code}"
        raise UserError(f"{hub} refuses {name}: {printable(' '.join(reason.split()), 300)}") from error
    except errors.HFValidationError as error:
        raise UserError(f"{name} is no name on the Hub: {printable(str(error), 300)}") from error
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise UserError(f"cannot reach {hub} for {name}: {printable(reason, 300)}") from error
    except (ValueError, KeyError, TypeError) as error:  # of whoever answers in its place, as the page of a login
        reason = f"{type(error).__name__} {error}"
        raise UserError(f"{hub} answers with something else than the Hub does: {printable(reason, 300)}") from error
