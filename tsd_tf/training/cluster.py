"""The processes that train together: all GPUs of one machine, or of the machines that TF_CONFIG names."""

import atexit
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from tsd_tf.contract.errors import UserError

_JOBS = ("chief", "worker")
# What TensorFlow raises when another process has gone, or has not answered in time.
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.DeadlineExceededError,
    tf.errors.CancelledError,
    tf.errors.FailedPreconditionError,
)


class Cluster:
    """A tf.distribute strategy, and which of its processes this one is.

    Only the chief, worker 0, reads and writes the work directory; it sends the others what they need from it.

    Args:
        strategy: a tf.distribute strategy; a MultiWorkerMirroredStrategy spans several processes.

    Attributes:
        strategy: as given.
        num_workers: processes that train together.
        worker: index of this one.
        is_chief: whether it is the chief.
        num_replicas: replicas of all processes together.
        num_local_replicas: replicas of this process; every process has as many.
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        resolver = strategy.cluster_resolver
        tasks = _tasks(resolver.cluster_spec().as_dict()) if resolver else []
        self.num_workers = len(tasks) or 1
        self.worker = tasks.index((resolver.task_type, resolver.task_id)) if tasks else 0
        self.is_chief = self.worker == 0
        self.num_replicas = strategy.num_replicas_in_sync
        self.num_local_replicas = self.num_replicas // self.num_workers
        self._total = tf.function(
            self._total_of, input_signature=[tf.TensorSpec((None,), tf.int64)], jit_compile=False, autograph=False
        )

    def chiefs(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """The chief's values of some arrays, on every worker.

        Args:
            arrays: NumPy arrays, scalars or Keras variables, of the same types and shapes on all workers.

        Returns:
            List of NumPy arrays, bit for bit those of the chief.
        """
        arrays = [np.asarray(array) for array in arrays]
        if self.num_workers == 1:
            return arrays
        data = b"".join(array.tobytes() for array in arrays)
        size = len(data)
        # As integers: adding zeros to them loses no bit.
        words = np.frombuffer(data + bytes(-size % 8), np.int64)
        words = words if self.is_chief else np.zeros_like(words)
        with self.strategy.scope():
            data = self._total(tf.constant(words)).numpy().tobytes()[:size]
        found = []
        for array in arrays:
            found.append(np.frombuffer(data[: array.nbytes], array.dtype).reshape(array.shape))
            data = data[array.nbytes :]
        return found

    def chiefs_choice(self, choice: bool) -> bool:
        """The chief's answer to a yes-or-no question, on every worker."""
        return bool(self.chiefs([np.int64(choice)])[0])

    def copy_from_chief(self, variables: Sequence[Any]) -> None:
        """Gives Keras variables the values that they have on the chief."""
        if self.num_workers > 1:
            for variable, value in zip(variables, self.chiefs(variables), strict=True):
                variable.assign(value)

    def wait_for_all(self) -> None:
        """Returns when every worker has called it."""
        self.chiefs([np.int64(0)])

    def check_same(self, described: Any) -> None:
        """UserError if `described`, which JSON can hold, is not the same here as on the chief."""
        if self.num_workers == 1:
            return
        mine = np.frombuffer(hashlib.sha256(json.dumps(described, sort_keys=True).encode()).digest(), np.uint8)
        if not np.array_equal(self.chiefs([mine])[0], mine):
            raise UserError(
                f"worker {self.worker} was started with another configuration, or on other data, than the chief; "
                "start all workers in the same way, on the same shards"
            )

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """A context in which an error of one worker ends all: the others get a UserError that says so."""
        try:
            yield
        except BaseException as error:
            if self.num_workers == 1:
                raise
            atexit.register(_leave)
            if not isinstance(error, _LOST):
                raise
            raise UserError(
                f"worker {self.worker} of {self.num_workers} has lost another one, which has ended or can no longer be "
                "reached. Start the same command on all of them again: it continues from the last checkpoint "
                f"({type(error).__name__}: {_reason(error)})"
            ) from error

    def _total_of(self, words):
        """The sum of int64 vectors of all workers."""

        def replica(words):
            context = tf.distribute.get_replica_context()
            is_first = context.replica_id_in_sync_group % self.num_local_replicas == 0
            words = tf.where(is_first, words, tf.zeros_like(words))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, words)

        return self.strategy.experimental_local_results(self.strategy.run(replica, args=(words,)))[0]


def default_cluster() -> Cluster:
    """The cluster that TF_CONFIG describes; without one, all visible GPUs of this machine, or its CPU.

    Call it before anything else is computed: TensorFlow connects the processes when it starts.

    Raises:
        UserError: TF_CONFIG cannot be read, or this process is not in it.
    """
    num_workers = num_workers_of(os.environ.get("TF_CONFIG"))
    if num_workers > 1:
        print(f"Waiting for {num_workers} workers", file=sys.stderr)
        try:
            return Cluster(tf.distribute.MultiWorkerMirroredStrategy())
        except (tf.errors.OpError, RuntimeError) as error:
            raise UserError(f"cannot connect the workers that TF_CONFIG names: {error}") from error
    if tf.config.list_physical_devices("GPU"):
        return Cluster(tf.distribute.MirroredStrategy())
    return Cluster(tf.distribute.get_strategy())


def num_workers_of(tf_config: str | None) -> int:
    """How many processes a value of TF_CONFIG names, 1 for a process that trains alone.

    Args:
        tf_config: JSON, {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}; a job
            "chief" may stand beside "worker". None or empty for a process that trains alone.

    Raises:
        UserError: it has another form.
    """
    expected = (
        'expected {"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}} in TF_CONFIG'
    )
    try:
        described = json.loads(tf_config or "{}")
        cluster, task = described.get("cluster", {}), described.get("task", {})
        tasks = _tasks(cluster)
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{expected}, received {tf_config}") from error
    if not cluster:
        return 1
    if set(cluster) - set(_JOBS):
        raise UserError(f"{expected}: jobs are 'chief' and 'worker', received {', '.join(sorted(cluster))}")
    if (task.get("type"), task.get("index")) not in tasks:
        raise UserError(f"{expected}: the task must be one of the cluster's, received {tf_config}")
    return len(tasks)


def _tasks(cluster):
    """The (job, index) of all processes, the chief first, as TensorFlow numbers them."""
    return [(job, index) for job in _JOBS for index in range(len(cluster.get(job, ())))]


def _reason(error):
    lines = [line.strip() for line in (error.message or "").splitlines() if line.strip()]
    return next((line for line in lines if line.startswith("Collective ops")), lines[-1] if lines else "")[:200]


def _leave():
    """Ends the process at once.

    TensorFlow would wait forever for a worker that has gone. It would also sign off from the others, which would then
    wait for this one: they notice only a worker that falls silent.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
