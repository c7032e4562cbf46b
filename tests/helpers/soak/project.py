"""The demo at small size as a project of its own: its configs and how it is trained."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from helpers.shrink import CONFIGS, SIZE, shrink

ROOT = CONFIGS.parent
METHODS = {
    "teacher": "mic/deeplabv2_demo_cosine.py",  # all that a teacher's method can have
    "adversarial": "adversarial/deeplabv2_demo_no-pl.py",
    "eq12": "cosda/deeplabv2_demo.py",
}
LABELLED = {"eq12"}
"""Methods that train on pseudo-labels, which are generated first."""
FIRST_STAGE = "source_only/deeplabv2_demo.py"
LOG_INTERVAL, CHECKPOINT_INTERVAL, VAL_INTERVAL = 10, 50, 100


class SoakError(Exception):
    """A training ended by itself, with an error."""


@dataclass(frozen=True)
class Project:
    """A folder in which a method's trainings run.

    Args:
        folder: It is made.
        method: Of ``METHODS``.
        iterations: Of each training.
        seed: ``randomness.seed`` of the trainings.
        workers: Of the data loaders.
    """

    folder: Path
    method: str
    iterations: int
    seed: int
    workers: int = 1

    @property
    def config(self) -> Path:
        """The small config of the method."""
        return self.folder / f"{self.method}.py"

    def make(self) -> None:
        """Write the configs, and the pseudo-labels where the method needs them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write(METHODS[self.method], self.config, self.iterations)
        if self.method not in LABELLED:
            return
        first = self.folder / "first_stage.py"
        self._write(FIRST_STAGE, first, 200)
        self.call(self.train_command("first_stage", first))
        labels = Config.fromfile(self.config).pseudo_label_dir
        checkpoint = "first_stage/iter_200.pth"
        script = str(ROOT / "tools" / "generate_pseudo_labels.py")
        self.call([script, str(self.config), checkpoint, "--out", labels])

    def _write(self, name: str, path: Path, iterations: int) -> None:
        cfg = Config.fromfile(CONFIGS / name)
        hook = cfg.default_hooks.checkpoint
        shrink(cfg)
        domains = cfg.train_dataloader.dataset
        target = domains.target.get("dataset", domains.target)
        for data, length in (
            (domains.source, 40),
            (target, 40),
            (cfg.val_dataloader.dataset, 8),
        ):
            data.update(length=length, image_size=SIZE)
        for loader in (cfg.train_dataloader, cfg.val_dataloader):
            loader.num_workers = self.workers
            loader.persistent_workers = self.workers > 0
        cfg.merge_from_dict(
            {
                "train_cfg.max_iters": iterations,
                "train_cfg.val_interval": VAL_INTERVAL,
                "param_scheduler.0.end": iterations,
                "default_hooks.logger.interval": LOG_INTERVAL,
                "randomness.seed": self.seed,
            }
        )
        hook.interval = CHECKPOINT_INTERVAL
        cfg.default_hooks.checkpoint = hook
        cfg.dump(path)

    def train_command(self, work_dir: str, config: Path | None = None) -> list[str]:
        """Return the arguments of Python that train, or go on."""
        script = str(ROOT / "tools" / "train.py")
        chosen = str(config or self.config)
        return [script, chosen, "--work-dir", work_dir, "--resume"]

    def start(self, command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Start Python in the folder, in a process group of its own."""
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
        with log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, *command],
                cwd=self.folder,
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def call(self, command: Sequence[str]) -> None:
        """Run Python to its end.

        Raises:
            SoakError: If it ends otherwise than with 0.
        """
        log = self.folder / "first_stage.log"
        require_success(self.start(command, log).wait(), log)


def require_success(status: int, log: Path) -> None:
    """Raise what a process last printed, unless it ended well."""
    if status != 0:
        lines = log.read_text(errors="replace").splitlines()[-15:]
        raise SoakError(f"ended with {status}, see {log}:\n" + "\n".join(lines))
