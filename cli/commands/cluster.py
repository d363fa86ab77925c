"""``geodl cluster``: a raster in, a map of groups of alike pixels out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from georaster_dl.core.errors import OptionError
from georaster_dl.core.events import Finished
from georaster_dl.core.wording import counted

from ..options.model_run import check_suffix, default_output
from ..options.shared import OUTPUT_FILE, run_options, scene_options, scene_settings
from ..terminal.progress import end_with_parent, reporting
from ..terminal.results import finished, print_outputs, status_of

if TYPE_CHECKING:
    from georaster_dl.pixels.cluster import Clustered, ClusterOptions, ClusterOutputs

__all__ = ["cluster"]

_TIFF = (".tif", ".tiff")


@click.command()
@click.argument("raster", nargs=-1, required=True, metavar="RASTER...")
@click.option(
    "-k",
    "k",
    default="auto",
    show_default=True,
    metavar="N|auto",
    help="Clusters; auto takes the number from 2 to 20 with the best silhouette.",
)
@click.option(
    "-o",
    "--output",
    type=OUTPUT_FILE,
    help="Map to make; RASTER_clusters.tif in the working folder by default.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option(
    "--method",
    type=click.Choice(["kmeans", "gmm"]),
    default="kmeans",
    show_default=True,
    help="k-means, or a mixture of Gaussians (slower, for clusters of unlike spread).",
)
@click.option(
    "--distance",
    type=OUTPUT_FILE,
    help="Also write each pixel's distance from its cluster's centre, in standard deviations of "
    "the bands (Mahalanobis for gmm).",
)
@click.option("--quicklook", type=OUTPUT_FILE, help="Also write a PNG to look at.")
@scene_options
@click.option("--seed", type=click.IntRange(min=0), default=0, help="Same seed, same map.")
@run_options
def cluster(raster: tuple[str, ...], progress: str, quiet: bool, **given: Any) -> int:
    """Group pixels by their values, without any label.

    RASTER is a scene, or a raster of features. Its bands are standardised, clusters are found in a
    random sample of the valid pixels, and every valid pixel is given to one. They are numbered by
    their size in the sample, the largest first.

    \b
    geodl cluster scene.tif -k 12
    geodl cluster features.tif --method gmm -o clusters.tif --distance distance.tif
    """
    if given["parent_pipe"]:
        end_with_parent()
    outputs, options = _outputs(raster, given), _options(given)
    with reporting(progress, quiet, given["log"]) as report:
        from georaster_dl.pixels.cluster import cluster as run

        clustered = run(raster, outputs, options, report)
        report(_finished(clustered))
    if progress == "bar" and not quiet:
        _print(clustered)
    return status_of(clustered.failed)


def _outputs(raster: tuple[str, ...], given: dict[str, Any]) -> ClusterOutputs:
    from georaster_dl.pixels.cluster import ClusterOutputs

    mapped = given["output"] or default_output(raster[0], "clusters")
    check_suffix("-o", mapped, "a GeoTIFF", _TIFF)
    check_suffix("--distance", given["distance"], "a GeoTIFF", _TIFF)
    check_suffix("--quicklook", given["quicklook"], "a PNG", (".png",))
    return ClusterOutputs(mapped, given["distance"], given["quicklook"])


def _options(given: dict[str, Any]) -> ClusterOptions:
    from georaster_dl.pixels.cluster import ClusterOptions

    k = given["k"]
    if k != "auto" and not k.lstrip("-").isdecimal():
        raise OptionError(f"-k must be a number of clusters or auto, not {k!r}.")
    return ClusterOptions(
        scene=scene_settings(given),
        k=k if k == "auto" else int(k),
        method=given["method"],
        seed=given["seed"],
        overwrite=given["overwrite"],
    )


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
