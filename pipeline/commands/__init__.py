"""The verbs of the ``packshot`` command, one a file, in the order its help lists them."""

from __future__ import annotations

import typer

from pipeline.commands.add import add
from pipeline.commands.calibrate import calibrate
from pipeline.commands.doctor import doctor
from pipeline.commands.explain import explain
from pipeline.commands.ingest import ingest
from pipeline.commands.insights import insights
from pipeline.commands.reference import reference
from pipeline.commands.refine import refine
from pipeline.commands.regions import regions
from pipeline.commands.render import render
from pipeline.commands.report import report
from pipeline.commands.score import score
from pipeline.commands.verify import verify

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False,
                  help="Product images from 3D models, every one scored for defects.")

for verb in (doctor, add, ingest, render, regions, refine, reference, score, calibrate, insights, report, explain,
             verify):
    app.command()(verb)
