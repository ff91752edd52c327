"""``astrotl detect train``, ``run`` and ``evaluate``: teach what to find, find it, and say how well it was found."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from astrotl.cli._fields import bands_option, box_options, open_images
from astrotl.cli._learning import epochs_told, extractor_named, training_options
from astrotl.cli._options import bar, keep_figure, room, shared_options, show_table
from astrotl.cli._written import check_files
from astrotl.errors import AstrotlWarning

if TYPE_CHECKING:
    from astropy.table import Table

    from astrotl.detection import Detector
    from astrotl.sources import Field

_HALF = 0.5


@click.group()
def detect() -> None:
    """Find things in images of any size and box them.

    \b
      astrotl detect train galaxies/ --boxes clumps.json -o clumps.safetensors
      astrotl detect run clumps.safetensors new/ -o found.ecsv --regions found.reg
      astrotl detect evaluate found.ecsv --boxes new.json
    """


def _start(name: str, settings: dict[str, Any]) -> Any:
    if not name.endswith(".safetensors"):
        return extractor_named(name, settings)
    if settings:
        raise ValueError(f"set: what {name} is was settled when it was taught; leave --set out")
    return room("neural", "astrotl detect train").FasterRCNN(name)


@detect.command()
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@bands_option
@box_options
@training_options(
    ["whole", "last", "head", "scratch"],
    "Train all weights of the network; its last layers; none, but the heads; or all, from nothing.",
    batch=4,
    start=_start,
)
@click.option("--tile", type=int, default=512, show_default=True, help="The pixels that are looked at at once.")
@click.option("--box-pixels", type=float, help="Enlarge the images until the median box has so many pixels.")
@click.option("-o", "--output", required=True, metavar="FILE.safetensors", help="The file of the detector.")
@click.option("--overwrite", is_flag=True, help="Replace the file, or an unfinished training with other settings.")
@shared_options
def train(
    inputs: tuple[str, ...],
    bands: tuple[str, ...] | None,
    drawn: Callable[[list[Field]], Table],
    training: Callable[[], dict[str, Any]],
    output: str,
    **asked: Any,
) -> None:
    """Teach a Faster R-CNN on a pretrained network to find what boxes show.

    INPUT is files, folders or patterns of FITS, JPEG or PNG images of any size, or BAND=PATTERN for each band. Images
    without a box teach what is not to be found. --extractor may also be the file of a detector to go on from.

    \b
      astrotl detect train galaxies/ --boxes clumps.json -o clumps.safetensors
      astrotl detect train g='sky/*-g.fits' r='sky/*-r.fits' i='sky/*-i.fits' \\
          --boxes clumps.csv --radius "1.5 arcsec" --box-pixels 16 -o clumps.safetensors

    A part of the images is kept for checking; what is shown at the end is of them. Killed half-way? The same command
    again goes on from the last epoch.
    """
    fields = open_images(inputs, bands)
    boxes = drawn(fields)
    with epochs_told():
        detector = room("training", "astrotl detect train").train_detector(
            fields, boxes, output, progress=bar, **training(), **asked
        )
    checked = detector.checked
    show_table(checked)
    click.echo(
        f"{output}: finds {_listed(detector.classes)}; at the score {detector.threshold:.3f}, "
        f"which was chosen on the {len(checked.meta['images']):,} images that these numbers are of"
    )


@detect.command()
@click.argument("detector", metavar="DETECTOR")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@bands_option
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A parameter of the classical detector.")
@click.option("--turns", is_flag=True, help="Have a network look at all eight ways in which an image can lie.")
@click.option("--precision", default="float32", show_default=True, help="float32 or bfloat16, of a network.")
@click.option("--threshold", type=float, help="The least score of a box; by default that on which the detector counts.")
@click.option("--suppress", type=float, metavar="OVERLAP", help="Leave out what overlaps a surer box so much: 0.2.")
@click.option("--merge", type=float, metavar="PIXELS", help="Keep one box of those whose centres are so near.")
@click.option("--on-host", is_flag=True, help="Keep what lies on the galaxy in the centre of its image.")
@click.option("--flux", is_flag=True, help="Measure the flux of what counts in every band, the others masked.")
@click.option("--zeropoint", metavar="MAG|g=MAG,r=MAG", help="Magnitudes, too: the one of flux 1.")
@click.option("-o", "--output", required=True, metavar="FILE", help="The table; its ending says the format.")
@click.option("--regions", metavar="FILE.reg", help="Write regions for DS9; {image} stands for the id of each image.")
@click.option("--coco", metavar="FILE.json", help="Write COCO.")
@click.option("--plot", metavar="FILE", help="Draw the first 16 images with what was found (.png, .pdf, .svg).")
@shared_options
def run(
    detector: str,
    inputs: tuple[str, ...],
    bands: tuple[str, ...] | None,
    settings: tuple[str, ...],
    turns: bool,
    precision: str,
    threshold: float | None,
    flux: bool,
    zeropoint: str | None,
    output: str,
    regions: str | None,
    coco: str | None,
    plot: str | None,
    **kept: Any,
) -> None:
    """Find things in images.

    DETECTOR is a file that "astrotl detect train" has made, or the word classical: what stands out of the sky, which
    needs no labels. INPUT is files, folders or patterns of images of any size, or BAND=PATTERN for each band, with the
    same bands in the same order as when it was taught.

    \b
      astrotl detect run clumps.safetensors new/ -o found.ecsv --suppress 0.2 --merge 3 --on-host --flux
      astrotl detect run classical frame-r.fits.bz2 --set sigma=5 -o sources.ecsv --regions sources.reg

    Where images have sky coordinates, so have the boxes. To measure how good they are, search with --threshold 0: the
    curves of "astrotl detect evaluate" want the boxes of low scores, too.
    """
    from astrotl.detection import detect as search
    from astrotl.detection import measure_flux, write_coco, write_regions
    from astrotl.detection.table import make_boxes
    from astrotl.detection.writing import check_regions
    from astrotl.tables import write_table

    files = {"output": output, "regions": regions, "coco": coco, "plot": plot}
    check_files(files, {"INPUT": inputs})
    made = _detector(detector, settings, turns=turns, precision=precision)
    zero = None if zeropoint is None else _zeropoint(zeropoint)
    if plot is not None:
        from astrotl import plots
    fields = open_images(inputs, bands)
    # Whatever is wrong with what comes after the search is told before it.
    nothing = _refined(make_boxes(*[[]] * 7), [], **kept)
    measure_flux(nothing, fields, zeropoint=zero)
    if regions is not None:
        check_regions(regions, fields)
    found = search(fields, made, threshold=threshold, progress=bar)
    found = _refined(found, fields, **kept)
    found.meta["astrotl"] |= {
        "refined": {name: value for name, value in kept.items() if value},
        "counts_from": made.threshold,
        "origin": _origin(inputs, bands),
    }
    if flux or zero is not None:
        found = _with_flux(found, fields, zero)
    write_table(found, output)
    click.echo(f"{output}: {len(found):,} boxes in {len(set(found['image'])):,} of {len(fields):,} images")
    looked_at = [field for field in fields if field.id in found.meta["astrotl"]["searched"]]
    if regions is not None:
        write_regions(found, looked_at, regions)
        click.echo(f"{regions}: written")
    if coco is not None:
        write_coco(found, looked_at, coco)
        click.echo(f"{coco}: written")
    if plot is not None:
        keep_figure(plots.boxed(looked_at, found, threshold=_counted_from(found)), plot)


@detect.command()
@click.argument("found", metavar="FOUND")
@click.argument("inputs", nargs=-1, metavar="[INPUT...]")
@bands_option
@box_options
@click.option(
    "--overlap", type=float, default=_HALF, show_default=True, help="How much a right box and a true one overlap."
)
@click.option("--within", type=float, metavar="PIXELS", help="Ask instead how far their centres are from each other.")
@click.option("--threshold", type=float, help="The score from which on a box counts; by default as it was searched.")
@click.option("--by", metavar="NAME", help="A column of what was drawn, such as a magnitude, to draw the curve by.")
@click.option("-o", "--output", metavar="FILE", help="Write the scores; the ending says the format.")
@click.option("--plot", metavar="FILE", help="Draw the first 16 images: right, false and missed boxes.")
@click.option("--curve", metavar="FILE", help="Draw completeness and purity against the score.")
@shared_options
def evaluate(
    found: str,
    inputs: tuple[str, ...],
    bands: tuple[str, ...] | None,
    drawn: functools.partial[Table],
    overlap: float,
    within: float | None,
    threshold: float | None,
    by: str | None,
    output: str | None,
    plot: str | None,
    curve: str | None,
) -> None:
    """Measure how good a table of "astrotl detect run" is.

    The images are those that were searched, unless INPUT names some of them. Average precision (ap50, map) and the
    curve want the boxes of low scores, too: search with --threshold 0. Completeness, purity and F1 are those from
    --threshold on, which is then the score on which the detector counts. Where the true boxes have several classes, a
    match must be of the same class. --classes leaves the others out of what was drawn and of what was found.

    \b
      astrotl detect run clumps.safetensors test/ --threshold 0 -o found.ecsv
      astrotl detect evaluate found.ecsv --boxes test.json --plot boxes.png --curve curve.png
    """
    from astrotl import plots
    from astrotl.detection import completeness_by, detection_scores
    from astrotl.tables import write_table

    check_files(
        {"output": output, "plot": plot, "curve": curve}, {"FOUND": (found,), "boxes": (drawn.keywords["boxes"],)}
    )
    if by is not None and curve is None:
        raise ValueError("by: goes with --curve")
    boxes = _read_found(found)
    least = boxes.meta["astrotl"].get("threshold", 0)
    at = _counted_from(boxes) if threshold is None else threshold
    if at < least:
        raise ValueError(f"threshold: {found} holds no box below a score of {least:g}; search again with --threshold 0")
    fields = _searched(boxes, found, inputs, bands)
    true = drawn(fields)
    if least > 0:
        warnings.warn(
            f"{found}: holds no box below a score of {least:g}, so that ap50 and map are too low; for them search with "
            "--threshold 0",
            AstrotlWarning,
            stacklevel=2,
        )
    boxes = _of_fields(boxes, fields)
    if only := drawn.keywords["classes"]:
        boxes = _of_classes(boxes, only, found)
    matching: dict[str, Any] = {"radius": within, "overlap": overlap}
    if by is not None:
        completeness_by(boxes[:0], true, by, **matching)
    scores = detection_scores(boxes, true, images=[field.id for field in fields], threshold=at, **matching)
    show_table(scores)
    alike = "boxes of the same class match" if scores.meta["astrotl"]["classes"] else "boxes match whatever their class"
    click.echo(
        f"{found}: {len(true):,} true boxes in {len(fields):,} images; counted from the score {at:.3f} on; {alike}"
    )
    if output is not None:
        write_table(scores, output)
        click.echo(f"{output}: {len(scores)} measures")
    if plot is not None:
        keep_figure(plots.boxed(fields, boxes, true, threshold=at, **matching), plot)
    if curve is not None:
        keep_figure(plots.completeness_purity(boxes, true, threshold=at, by=by, **matching), curve)


def _detector(name: str, settings: tuple[str, ...], **how: Any) -> Detector:
    from astrotl._params import construct, parse_settings
    from astrotl.detection import Classical

    if name == "classical":
        classical: Detector = construct(Classical, name, parse_settings(settings))
        return classical
    if not name.endswith(".safetensors"):
        raise ValueError(f"detector: expected classical or a file with the ending .safetensors, got {name}")
    if settings:
        raise ValueError(f"set: goes with classical; what {name} is was settled when it was taught")
    network: Detector = room("neural", "astrotl detect run").FasterRCNN(name, **how)
    return network


def _origin(inputs: tuple[str, ...], bands: tuple[str, ...] | None) -> dict[str, Any]:
    """Write down what was searched, so that it can be opened again; the bands in their order, which a table forgets."""
    from astrotl.sources.opening import parse_inputs, recorded

    given = parse_inputs(inputs)
    names = bands or (given if isinstance(given, dict) else None)
    return {"inputs": recorded(given), "bands": names and list(names)}


def _refined(found: Table, fields: list[Field], *, suppress: float | None, merge: float | None, on_host: bool) -> Table:
    from astrotl import detection

    if suppress is not None:
        found = detection.suppress(found, suppress)
    if merge is not None:
        found = detection.merge(found, merge)
    return detection.on_host(found, fields) if on_host else found


def _with_flux(found: Table, fields: list[Field], zero: float | dict[str, float] | None) -> Table:
    """Measure what counts: each box masks its neighbours, and most of those of low scores are false."""
    import numpy as np

    from astrotl.detection import measure_flux

    least = _counted_from(found)
    sure = np.asarray(found["score"]) >= least
    measured = measure_flux(found[sure], fields, zeropoint=zero)
    if not sure.all():
        click.echo(f"flux: measured of the {sure.sum():,} boxes from the score {least:.3f} on, which alone mask others")
    for name in measured.colnames[len(found.colnames) :]:
        found[name] = np.full(len(found), np.nan)
        found[name][sure] = measured[name]
        found[name].unit = measured[name].unit
    found.meta["astrotl"]["flux"] = measured.meta["astrotl"]["flux"]
    return found


def _zeropoint(text: str) -> float | dict[str, float]:
    """Read ``27`` or ``g=27,r=26.5``."""
    try:
        if "=" not in text:
            return float(text)
        pairs = (part.partition("=") for part in text.split(","))
        return {band.strip(): float(value) for band, _, value in pairs}
    except ValueError as error:
        raise ValueError(f"zeropoint: expected a magnitude, or one a band as g=27,r=26.5, got {text!r}") from error


def _read_found(path: str) -> Table:
    """Read what was found, with whatever its file still knows of the search."""
    import numpy as np

    from astrotl.detection.table import check_boxes
    from astrotl.tables import read_table

    boxes = read_table(path)
    check_boxes(boxes, path, found=True)
    for name in ("image", "class"):
        boxes[name] = np.asarray(boxes[name], dtype=np.str_)
    boxes.meta.setdefault("astrotl", {})
    return boxes


def _counted_from(found: Table) -> float:
    """Give the score on which the detector counts, or that from which on there are boxes."""
    known = found.meta["astrotl"]
    return float(max(known.get("threshold", 0), known.get("counts_from", _HALF)))


def _searched(found: Table, path: str, inputs: tuple[str, ...], bands: tuple[str, ...] | None) -> list[Field]:
    """Open the images again that were searched, or those of them that are given."""
    known = found.meta["astrotl"]
    origin = known.get("origin")
    if not inputs and origin is None:
        raise ValueError(f"inputs: {path} does not say which images were searched; name them after it")
    fields = open_images(inputs, bands) if inputs else open_images(origin["inputs"], bands or origin["bands"])
    if "searched" not in known:
        return fields
    ids = set(known["searched"])
    searched = [field for field in fields if field.id in ids]
    if not searched:
        raise ValueError(
            f"inputs: {path} is of other images, such as {min(ids, default='none')}, and of none of these, such as "
            f"{fields[0].id}"
        )
    return searched


def _of_fields(found: Table, fields: list[Field]) -> Table:
    import numpy as np

    return found[np.isin(found["image"], [field.id for field in fields])]


def _of_classes(found: Table, classes: tuple[str, ...], path: str) -> Table:
    import numpy as np

    kept = found[np.isin(found["class"], list(classes))]
    if len(found) and not len(kept):
        names = ", ".join(sorted(set(found["class"].tolist())))
        warnings.warn(
            f"classes: no box of {path} is of {', '.join(classes)}, only of {names}", AstrotlWarning, stacklevel=3
        )
    return kept


def _listed(classes: tuple[str, ...]) -> str:
    return " and ".join(filter(None, [", ".join(classes[:-1]), classes[-1]]))
