"""Interrupted, killed, or shared by processes: the files are the same."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from helpers.processes import free_port, run_process, run_ranks
from helpers.pseudo_label_project import Project, write_checkpoint
from helpers.pseudo_label_tool import (
    PowerCutError,
    arguments,
    count_forwards,
    files,
    generate,
    generate_as_rank,
    generate_as_tool,
    generate_until_killed,
    interrupt_after,
)

import mmseg_cosda.pseudo_labels.generation as generation
from mmseg_cosda.errors import UserError
from mmseg_cosda.locks import PSEUDO_LABELS, folder_locked


@pytest.mark.parametrize("batch_size", [pytest.param("1", marks=pytest.mark.slow), "2"])
def test_interrupted_in_inference_it_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch, batch_size: str
) -> None:
    options = ["--batch-size", batch_size, "--evaluate"]
    generate(project, *options)
    whole = files(project.out)
    shutil.rmtree(project.out)
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            generate(project, *options)
    assert not list(project.out.rglob("*.png"))
    done = sorted((project.out / ".unfinished").glob("*.gz"))
    done[-1].unlink()  # a batch of which a part was written is predicted again
    with monkeypatch.context() as patch:
        calls = count_forwards(patch)
        generate(project, *options)
    assert len(calls) == -(-7 // int(batch_size)) - 2 + 1
    assert files(project.out) == whole


def test_interrupted_while_writing_it_goes_on(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate(project)
    whole = files(project.out)
    shutil.rmtree(project.out)
    with monkeypatch.context() as patch:
        patch.setattr(generation, "_png", interrupt_after(3, generation._png, []))
        with pytest.raises(PowerCutError):
            generate(project)
    assert not (project.out / "report.json").exists()
    calls = count_forwards(monkeypatch)
    generate(project)
    assert not calls
    assert files(project.out) == whole
    picture = project.root / "pictures" / "report.png"
    generate(project, "--picture", str(picture))  # complete: only drawn again
    assert not calls
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_killed_by_the_system_it_goes_on(project: Project) -> None:
    torch.set_num_threads(1)
    generate(project)
    whole = files(project.out)
    shutil.rmtree(project.out)
    done = run_process(generate_until_killed, arguments(project), cwd=project.root)
    assert done.returncode == -9, done.stderr
    assert (project.out / ".unfinished").exists()
    generate(project)
    assert files(project.out) == whole


def test_two_processes_give_what_one_gives(project: Project) -> None:
    torch.set_num_threads(1)
    generate(project, "--evaluate")
    whole = files(project.out)
    shutil.rmtree(project.out)
    args = arguments(project, "--evaluate")
    run_ranks(generate_as_rank, free_port(), args, processes=2)
    assert files(project.out) == whole


def test_another_checkpoint_is_refused_until_told(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        count_forwards(patch, stop=2)
        with pytest.raises(PowerCutError):
            generate(project)
    write_checkpoint(project.checkpoint, seed=1)
    with pytest.raises(UserError, match=r"another run \(weights .*--overwrite"):
        generate(project)
    with pytest.raises(UserError, match=r"quantile 0\.5 there, 0\.4 here"):
        generate(project, "--quantile", "0.4")
    generate(project, "--overwrite")
    mixed = files(project.out)
    shutil.rmtree(project.out)
    generate(project)
    assert files(project.out) == mixed


def test_a_second_writer_is_refused(project: Project) -> None:
    generate(project)
    torch.set_num_threads(1)
    with folder_locked(project.out, PSEUDO_LABELS, "here", "wait"):
        done = run_process(generate_as_tool, arguments(project), cwd=project.root)
    assert done.returncode == 1
    assert f"is being written by process {os.getpid()} on " in done.stderr
    assert not [*project.out.glob(".*.lock")]
