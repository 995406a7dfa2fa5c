"""TF_CONFIG from the variables of SLURM: the tasks of a job step train together."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence

from tsd_tf.contract.errors import UserError

_FIRST_PORT, _PORTS = 20_000, 10_000
_TASKS = re.compile(r"(\d+)(?:\(x(\d+)\))?")


def tf_config(environment: Mapping[str, str], hosts: Sequence[str], port: int | None = None) -> str:
    """The TF_CONFIG of one task, JSON; every task of a job step is a worker, task 0 the chief.

    Tasks are numbered node by node, as srun does by default (--distribution=block).

    Args:
        environment: SLURM_PROCID, SLURM_STEP_TASKS_PER_NODE and SLURM_JOB_ID of the task, as srun sets them.
        hosts: names of the step's nodes, in SLURM's order; see `hosts_of`.
        port: of the first task of each node, the next one has the port behind it; None for one that the number of the
            job gives, so that two jobs on a node do not meet.

    Raises:
        UserError: a variable is missing or has another form, or the nodes are others.
    """
    rank, job = (_number(environment, name) for name in ("SLURM_PROCID", "SLURM_JOB_ID"))
    text = _variable(environment, "SLURM_STEP_TASKS_PER_NODE")
    matches = [_TASKS.fullmatch(part) for part in text.split(",")]
    if not all(matches):
        raise UserError(f"expected SLURM_STEP_TASKS_PER_NODE as in 2(x3),1, received {text}")
    counts = [int(match[1]) for match in matches if match for _ in range(int(match[2] or 1))]
    if len(counts) != len(hosts):
        raise UserError(f"SLURM_STEP_TASKS_PER_NODE={text} is of {len(counts)} nodes, expected {len(hosts)}")
    first = _FIRST_PORT + job % _PORTS if port is None else port
    workers = [f"{host}:{first + task}" for host, count in zip(hosts, counts, strict=True) for task in range(count)]
    if rank >= len(workers):
        raise UserError(f"SLURM_PROCID={rank} is none of the {len(workers)} tasks of SLURM_STEP_TASKS_PER_NODE={text}")
    return json.dumps({"cluster": {"worker": workers}, "task": {"type": "worker", "index": rank}})


def hosts_of(environment: Mapping[str, str]) -> list[str]:
    """The names of a job step's nodes, which SLURM's own `scontrol` reads out of SLURM_STEP_NODELIST.

    Raises:
        UserError: there is no such variable or program, or it fails.
    """
    nodes = _variable(environment, "SLURM_STEP_NODELIST")
    try:
        done = subprocess.run(
            ["scontrol", "show", "hostnames", nodes], capture_output=True, text=True, check=True, env=dict(environment)
        )
    except OSError as error:
        raise UserError(f"cannot start scontrol, which names the nodes of a job: {error.strerror}") from error
    except subprocess.CalledProcessError as error:
        raise UserError(f"scontrol does not know the nodes {nodes}: {error.stderr.strip()}") from error
    return done.stdout.split()


def _variable(environment, name):
    try:
        return environment[name]
    except KeyError as error:
        raise UserError(f"{name} is not set: srun sets it for each task of a job step") from error


def _number(environment, name):
    text = _variable(environment, name)
    if not text.isdecimal():
        raise UserError(f"expected a number in {name}, received {text}")
    return int(text)
