"""``geodl cluster``: group the pixels of a raster by their values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished
from georaster_dl.core.scene_options import SceneOptions
from georaster_dl.core.wording import counted

from ..options.completion import complete_files
from ..options.shared import (
    OUTPUT_FILE,
    check_suffix,
    default_output,
    output_option,
    overwrite_option,
    progress_options,
    quicklook_option,
    scene_options,
    seed_option,
)
from ..terminal.progress import Terminal, run_with_progress
from ..terminal.results import finished, print_outputs

if TYPE_CHECKING:
    from georaster_dl.pixels.cluster import Clustered

__all__ = ["cluster"]

_TIFF = (".tif", ".tiff")


@click.command()
@click.argument(
    "raster", nargs=-1, required=True, metavar="RASTER...", shell_complete=complete_files
)
@click.option(
    "-k",
    "k",
    default="auto",
    callback=lambda _ctx, _param, text: _number_of_clusters(text),
    metavar="N|auto",
    help="Number of clusters; auto (default) takes the one from 2 to 20 with the best silhouette.",
)
@output_option("Map to make; RASTER_clusters.tif in the working folder by default.")
@overwrite_option
@click.option(
    "--method",
    type=click.Choice(["kmeans", "gmm"]),
    default="kmeans",
    show_default=True,
    help="k-means, or a Gaussian mixture (slower, for clusters of different spread).",
)
@click.option(
    "--distance",
    type=OUTPUT_FILE,
    help="Also write each pixel's distance from its cluster's centre, in standard deviations of "
    "the bands (Mahalanobis for gmm).",
)
@quicklook_option
@scene_options
@seed_option()
@progress_options
def cluster(
    *,
    raster: tuple[str, ...],
    k: int | Literal["auto"],
    output: Path | None,
    overwrite: bool,
    method: Literal["kmeans", "gmm"],
    distance: Path | None,
    quicklook: Path | None,
    reading: SceneOptions,
    seed: int,
    terminal: Terminal,
) -> int:
    """Cluster pixels by their values, without any label.

    RASTER is a scene, or a raster of features. Its bands are standardised, clusters are fitted to
    a random sample of the valid pixels, and every valid pixel is assigned to one. Clusters are numbered
    by their size in the sample, the largest first.

    \b
    geodl cluster scene.tif -k 12
    geodl cluster features.tif --method gmm -o clusters.tif --distance distance.tif
    """
    from georaster_dl.pixels.cluster import ClusterOptions, ClusterOutputs
    from georaster_dl.pixels.cluster import cluster as run

    output = output or default_output(raster[0], "clusters")
    check_suffix("-o", output, "a GeoTIFF", _TIFF)
    check_suffix("--distance", distance, "a GeoTIFF", _TIFF)
    check_suffix("--quicklook", quicklook, "a PNG", (".png",))
    outputs = ClusterOutputs(output, distance, quicklook)
    options = ClusterOptions(reading, k, method, seed, overwrite)
    return run_with_progress(
        terminal, lambda report: run(raster, outputs, options, report), _finished, _print
    )


def _number_of_clusters(text: str) -> int | Literal["auto"]:
    """Parse the value of -k."""
    if text == "auto":
        return "auto"
    if not text.lstrip("-").isdecimal():
        raise OptionError(f"-k must be a number of clusters or auto, not {text!r}.")
    return int(text)


def _finished(clustered: Clustered) -> Finished:
    return finished(
        clustered.files,
        clustered.failed,
        round(clustered.seconds, 3),
        pixels=clustered.pixels,
        sampled=clustered.sampled,
        classes=clustered.counts,
        silhouette={str(k): round(score, 4) for k, score in clustered.scores.items()},
    )


def _print(clustered: Clustered) -> None:
    if clustered.scores:
        scores = ", ".join(f"{k}: {score:.3f}" for k, score in clustered.scores.items())
        click.echo(f"silhouette by number of clusters: {scores}; took {len(clustered.counts)}")
    total = sum(clustered.counts.values())
    shares = (f"{name} {100 * n / total:.1f} %" for name, n in clustered.counts.items())
    click.echo(", ".join(shares))
    megapixels = clustered.pixels / 1e6
    click.echo(
        f"{megapixels:.3g} Mpx in {clustered.seconds:.1f} s, clusters found in "
        f"{counted(clustered.sampled, 'pixel')}"
    )
    print_outputs(clustered.files)
