"""Results of runs whose config was renamed since."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from helpers.pretended_training import ROOT, make_plan

from mmseg_cosda.errors import UserError
from mmseg_cosda.reproduce.plan import LABEL_KEY, START_KEY, Run
from mmseg_cosda.reproduce.results import parse_result, read_result
from mmseg_cosda.reproduce.rows import ROWS
from mmseg_cosda.reproduce.settings import Setting

TORCS = Setting("torcs2camvid")


def test_the_results_of_this_repository_are_read(project: Path) -> None:
    plan = make_plan(
        project,
        setting=TORCS,
        result_root=ROOT / "results",
        options=(),
        teacher_seed=None,
    )
    found = {
        f"{row.name}_seed{seed}.json"
        for row in ROWS.values()
        for seed in range(5)
        if read_result(plan, Run(row, seed)) is not None
    }
    assert found == {path.name for path in plan.result_root.glob("torcs2camvid/*.json")}


def test_under_results_stands_no_json_but_results() -> None:
    paths = sorted((ROOT / "results").rglob("*.json"))
    assert len(paths) >= 166
    for path in paths:
        result = parse_result(path)
        assert path.name == f"{result['row']}_seed{result['seed']}.json", path
        assert path.parent.name == result["task"], path
        if result.get("averaged"):
            count = len(result["averaged"])
            words = ["CHECKPOINT"] * count
            assert result["command"].split()[2:] == [*words, "--out", "mean.pth"], path
            continue
        config, *options = shlex.split(result["command"])[2:]
        assert config == f"configs/{result['config']}", path
        labels = [f"{LABEL_KEY}=DIR"] if result["pseudo_labels"] else []
        start = [f"{START_KEY}=CHECKPOINT"] if result.get("start") else []
        assert options[1:] in (
            [*result["options"], *labels, *start],
            [*labels, *result["options"]],
        ), path
        curve, metric = result["curve"], result["metric"]
        points = list(zip(curve["step"], curve[metric], strict=True))
        best = max(points, key=lambda point: point[1])
        for which, point in (("last", points[-1]), ("best", best)):
            assert (result[which]["step"], result[which][metric]) == point, path


@pytest.mark.parametrize("name", ["no-queue", "target-supervised"])
def test_a_row_that_had_a_config_of_its_own_still_tells_other_options(
    project: Path, name: str
) -> None:
    plan = make_plan(project, setting=TORCS, options=())
    run = Run(ROWS[name], 0)
    kept = ROOT / "results/first_round/torcs2camvid" / f"{name}_seed0.json"
    result = json.loads(kept.read_text())
    start = plan.start_of(run)
    result["start"] = start and str(start)
    plan.result(run).parent.mkdir(parents=True)
    plan.result(run).write_text(json.dumps(result))
    assert read_result(plan, run) is not None

    plan.result(run).write_text(json.dumps({**result, "start": "another"}))
    with pytest.raises(UserError, match="other start"):
        read_result(plan, run)

    options = list(result["options"])
    result["options"].append("train_cfg.max_iters=5")
    plan.result(run).write_text(json.dumps(result))
    with pytest.raises(UserError, match="other options"):
        read_result(plan, run)

    result["options"] = options
    result["config"] = run.row.config(TORCS)  # of the config alone, without the value
    plan.result(run).write_text(json.dumps(result))
    with pytest.raises(UserError, match="other options"):
        read_result(plan, run)
