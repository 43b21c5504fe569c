"""Exposures on a cluster: dask's own local one, and a batch system of shell scripts."""

import os
import signal
import stat
from pathlib import Path

import dask
import pytest
from distributed import LocalCluster

from rampline.errors import InputError, ParameterError
from rampline.program.engines.dask_engine import open_cluster, read_jobs
from rampline.program.input.options import ReduceOptions
from rampline.program.reduce import reduce_files

from .test_engine import _tasks

ROOT = Path(__file__).parents[3]
JOBS = f"""
system = "SLURM"
jobs = 1

[options]
cores = 1
memory = "2GB"
walltime = "00:10:00"
interface = "lo"
scheduler_options = {{ dashboard_address = ":0" }}
# the tasks of these tests stand in their own modules
job_script_prologue = ["export PYTHONPATH={ROOT}"]
"""


@pytest.fixture(scope="module")
def scheduler():
    once = dask.config.set({"distributed.scheduler.allowed-failures": 0})
    local = {"n_workers": 1, "threads_per_worker": 2, "dashboard_address": ":0"}
    with once, LocalCluster(**local) as own:
        yield own.scheduler_address


def test_tasks_of_a_cluster_are_reported_as_those_of_processes(scheduler, tmp_path):
    engine = open_cluster(scheduler, "INFO")
    tasks = _tasks(tmp_path, [1, "refused", "broken", "killed", 2])
    outcomes = {outcome.task.request: outcome for outcome in engine.run(tasks)}
    assert [outcomes[k].value for k in (1, 2)] == [2, 4]
    assert outcomes["refused"].error == "a.fits: not FITS; give another"
    assert "ZeroDivisionError" in outcomes["broken"].error
    assert "its worker died" in outcomes["killed"].error
    assert "worked on 2" in (tmp_path / "2.log").read_text()
    engine.close()
    # the cluster was there before and stays
    again = open_cluster(scheduler, "INFO")
    assert [o.value for o in again.run(_tasks(tmp_path, [3]))] == [6]
    again.close()


def test_exposures_are_reduced_on_a_cluster(scheduler, field, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = ReduceOptions(
        references=str(field.references), until="rate", engine="dask", cluster=scheduler
    )
    assert reduce_files([field.raw[0].parent], Path("out"), options) == 0
    made = list((tmp_path / "out" / "exposures").glob("*_rate.fits"))
    assert len(made) == len(field.raw)


def test_jobs_of_a_batch_system_become_workers(monkeypatch, tmp_path):
    commands = tmp_path / "bin"
    commands.mkdir()
    begun = tmp_path / "begun"
    _script(
        commands / "sbatch",
        # the file is gone when the command returns: a batch system keeps a copy
        f'cp "$1" {tmp_path}/job; (bash {tmp_path}/job >{tmp_path}/log 2>&1 & '
        f"echo $! > {begun}); echo Submitted batch job 7",
    )
    _script(commands / "scancel", f"kill $(cat {begun}) && touch {tmp_path}/cancelled")
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    jobs = tmp_path / "jobs.toml"
    jobs.write_text(JOBS)
    before = signal.getsignal(signal.SIGINT)
    engine = open_cluster(jobs, "WARNING")
    assert signal.getsignal(signal.SIGINT) is before
    assert [o.value for o in engine.run(_tasks(tmp_path, [1, 2]))] == [2, 4]
    engine.close()
    assert (tmp_path / "cancelled").exists()


def _script(path, line):
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("jobs = 1", "jobs = 0", "jobs: Input should be greater than or equal to 1"),
        ("jobs = 1", "job = 1", "jobs: Field required"),
        ("jobs = 1", "jobs = [", "no TOML file"),
        ('"SLURM"', '"HAL"', "dask_jobqueue knows no HAL"),
        ("cores = 1", "coars = 1", "options: "),
    ],
)
def test_a_wrong_file_of_jobs_is_refused_in_one_line(tmp_path, old, new, words):
    path = tmp_path / "jobs.toml"
    path.write_text(JOBS.replace(old, new))
    with pytest.raises(InputError, match=words) as error:
        open_cluster(path, "INFO")
    assert "\n" not in str(error.value)


def test_a_file_of_jobs_says_which(tmp_path):
    path = tmp_path / "jobs.toml"
    path.write_text(JOBS)
    jobs = read_jobs(path)
    assert (jobs.system, jobs.jobs, jobs.options["memory"]) == ("SLURM", 1, "2GB")


def test_nobody_at_the_address_is_said_at_once(monkeypatch):
    monkeypatch.setattr("rampline.program.engines.dask_engine.PATIENCE_S", 0.5)
    with pytest.raises(ParameterError, match="no answer"):
        open_cluster("tcp://127.0.0.1:1", "INFO")


def test_dask_needs_a_place_and_nobody_else_does():
    with pytest.raises(ParameterError, match="--engine dask: needs --scheduler"):
        ReduceOptions(engine="dask")
    with pytest.raises(ParameterError, match="not with --engine processes"):
        ReduceOptions(cluster="tcp://127.0.0.1:1")
