"""Read every file that a config's datasets name; say what is wrong with which.

And compare what data, model and schedule must agree on, as every training does before
its first iteration.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import mmseg_cosda  # noqa: F401  (registers what configs name)
from mmseg_cosda.commands import tool_parser
from mmseg_cosda.config import ConfigOption, read_config
from mmseg_cosda.datasets.check import check_dataset, datasets_of
from mmseg_cosda.datasets.check_report import as_text, write_bad_files, write_json
from mmseg_cosda.errors import UserError, run_tool
from mmseg_cosda.preflight.config import check_config
from mmseg_cosda.visualization.pairs import draw_training_samples

EPILOG = """
Example:
  python tools/check_dataset.py configs/cosda/deeplabv2_gta2cs_no-pl.py
  python tools/check_dataset.py configs/cosda/deeplabv2_gta2cs_no-pl.py --out check.json
  python tools/check_dataset.py configs/cosda/deeplabv2_demo.py --picture pairs.png

Then, to leave the bad files out:
  python tools/train.py CONFIG --cfg-options \\
      train_dataloader.dataset.source.exclude=bad_files.txt

exit status: 0 if nothing is wrong, 1 if something is, 2 for a wrong command
"""


def parse_args(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = tool_parser("check_dataset", __doc__, EPILOG)
    parser.add_argument("config", help="a config of this project or of the host")
    parser.add_argument("--out", help="write the report to this JSON file")
    parser.add_argument(
        "--picture", help="draw augmented training samples, .png, .pdf or .svg"
    )
    parser.add_argument(
        "--bad-files",
        default="bad_files.txt",
        help="where the list of bad files goes, if there are any (%(default)s)",
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="reading processes"
    )
    parser.add_argument(
        "--show", type=int, default=10, help="problems named per kind (%(default)s)"
    )
    parser.add_argument(
        "--cfg-options", nargs="+", action=ConfigOption, help="changes of the config"
    )
    return parser.parse_args(args)


def main(args: Sequence[str] | None = None) -> None:
    """Check the datasets of a config.

    Args:
        args: The command line, ``sys.argv`` by default.

    Raises:
        UserError: If the config names no dataset or an option is out of range.
        SystemExit: With status 1 if anything is wrong.
    """
    options = parse_args(args)
    if options.workers < 1:
        raise UserError(f"--workers {options.workers}: must be at least 1")
    config = read_config(options.config, options.cfg_options)
    datasets = datasets_of(config.to_dict())
    if not datasets:
        raise UserError(f"{options.config} names no dataset (train_dataloader, ...)")
    reports = []
    for key, dataset in datasets.items():
        reports.append(check_dataset(key, dataset, options.workers))
        print(as_text(reports[-1], options.show), end="\n\n")
    together = check_config(config.to_dict(), reports)
    reports.append(together)
    if together.problems:
        print(as_text(together, options.show), end="\n\n")
    if options.out:
        write_json(options.out, reports)
        print(f"report: {options.out}")
    bad = write_bad_files(options.bad_files, reports)
    if bad:
        print(
            f"{bad} bad files, listed in {options.bad_files}: repair them, or set the "
            f'dataset\'s exclude="{options.bad_files}"'
        )
    if options.picture:
        draw_training_samples(config.to_dict(), options.picture)
        print(f"training samples: {options.picture}")
    if any(report.problems for report in reports):
        sys.exit(1)


if __name__ == "__main__":
    run_tool(main)
