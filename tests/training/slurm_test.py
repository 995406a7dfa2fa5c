import json

import pytest

from tsd_tf.contract.errors import UserError
from tsd_tf.training import slurm
from tsd_tf.training.cluster import num_workers_of

STEP = {"SLURM_PROCID": "2", "SLURM_JOB_ID": "1234567", "SLURM_STEP_TASKS_PER_NODE": "2(x2),1"}
HOSTS = ["n9", "n10", "gpu1"]  # in SLURM's order, which no sorting gives


def test_every_task_is_a_worker_node_by_node():
    found = slurm.tf_config(STEP, HOSTS)
    workers = ["n9:24567", "n9:24568", "n10:24567", "n10:24568", "gpu1:24567"]
    assert json.loads(found) == {"cluster": {"worker": workers}, "task": {"type": "worker", "index": 2}}
    assert num_workers_of(found) == 5
    found = json.loads(slurm.tf_config(STEP | {"SLURM_STEP_TASKS_PER_NODE": "1(x3)"}, HOSTS, port=7))
    assert found["cluster"]["worker"] == ["n9:7", "n10:7", "gpu1:7"]


def test_a_step_of_one_task_trains_alone():
    alone = STEP | {"SLURM_PROCID": "0", "SLURM_STEP_TASKS_PER_NODE": "1"}
    assert num_workers_of(slurm.tf_config(alone, ["n1"])) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SLURM_PROCID": "5"}, "SLURM_PROCID=5 is none of the 5 tasks"),
        ({"SLURM_PROCID": "-1"}, "expected a number in SLURM_PROCID, received -1"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x3),1"}, r"is of 4 nodes, expected 3"),
        ({"SLURM_STEP_TASKS_PER_NODE": "two"}, r"expected SLURM_STEP_TASKS_PER_NODE as in 2\(x3\),1, received two"),
    ],
)
def test_variables_that_do_not_fit(changes, message):
    with pytest.raises(UserError, match=message):
        slurm.tf_config(STEP | changes, HOSTS)


def test_outside_of_a_step():
    with pytest.raises(UserError, match="SLURM_PROCID is not set: srun sets it"):
        slurm.tf_config({}, HOSTS)
    with pytest.raises(UserError, match="SLURM_STEP_NODELIST is not set"):
        slurm.hosts_of({})


def test_without_slurm(tmp_path):
    with pytest.raises(UserError, match="cannot start scontrol"):
        slurm.hosts_of({"SLURM_STEP_NODELIST": "n[1-2]", "PATH": str(tmp_path)})


def test_what_scontrol_says(tmp_path, monkeypatch):
    fake = tmp_path / "scontrol"
    fake.write_text(
        '#!/bin/sh\n[ "$*" = "show hostnames n[1-2]" ] || { echo "Invalid hostlist" >&2; exit 1; }\necho n1\necho n2\n'
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_STEP_NODELIST": "n[1-2]"}
    assert slurm.hosts_of(environment) == ["n1", "n2"]
    with pytest.raises(UserError, match=r"scontrol does not know the nodes n\[: Invalid hostlist"):
        slurm.hosts_of(environment | {"SLURM_STEP_NODELIST": "n["})
