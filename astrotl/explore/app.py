"""The application behind the page: what it may ask, and what it is answered."""

from __future__ import annotations

import json
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any
from urllib.parse import unquote

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from astrotl.errors import AstrotlError
from astrotl.explore.desk import Desk
from astrotl.explore.exporting import Samp, as_file
from astrotl.explore.guarding import Guard
from astrotl.explore.looks import packed
from astrotl.explore.searching import MOST_BYTES

_KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_MOST_ASKED = 32 << 20
#: So many words of a column are named; nobody tells more colours apart.
_NAMED = 50

Answer = Callable[[Desk, dict[str, Any]], Any]


def guarded(desk: Desk, token: str, host: str = "127.0.0.1") -> Guard:
    """Make the application, with its guard around it."""
    samp = Samp()

    @asynccontextmanager
    async def life(_app: Starlette) -> AsyncIterator[None]:
        # The first "improve" should not have to wait.
        threading.Thread(target=_learn_quietly, args=(desk,), daemon=True).start()
        try:
            yield
        finally:
            desk.places.stop()
            samp.close()

    def send(desk: Desk, given: dict[str, Any]) -> Any:
        rows = _rows(desk, given)
        return {"to": samp.send(desk.objects.table(rows), f"{desk.title}: {len(rows)} objects")}

    answers: dict[str, Answer] = {**_ANSWERS, "samp": send}
    routes = [Route(f"/api/{name}", _endpoint(desk, answer), methods=["POST"]) for name, answer in answers.items()]
    routes.append(Route("/api/drop", _dropped(desk), methods=["POST"]))
    app = Starlette(routes=[*routes, *_static()], lifespan=life)
    return Guard(app, token, host)


def _learn_quietly(desk: Desk) -> None:
    try:
        desk.learn()
    except (AstrotlError, ValueError, OSError):
        # Whoever asks for the ranking is told why there is none.
        return


def _static() -> list[Route]:
    """Read the page's own files once: no path that is asked for ever reaches the disk."""
    routes = []
    for file in resources.files("astrotl.explore").joinpath("static").iterdir():
        kind = _KINDS.get(file.name[file.name.rfind(".") :])
        if kind is not None:
            path = "/" if file.name == "index.html" else f"/static/{file.name}"
            routes.append(Route(path, _fixed(Response(file.read_bytes(), media_type=kind))))
    return routes


def _fixed(response: Response) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_request: Request) -> Response:
        return response

    return endpoint


def _endpoint(desk: Desk, answer: Answer) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await _body(request, _MOST_ASKED)
        if body is None:
            return _refusal("the request is too long", 413)
        try:
            given = json.loads(body or b"{}")
            if not isinstance(given, dict):
                raise ValueError("expected an object of JSON")
            said = await run_in_threadpool(answer, desk, given)
        except (ValueError, TypeError, KeyError, ArithmeticError, RecursionError, OSError, AstrotlError) as error:
            return _refusal(_reason(error), 400)
        return said if isinstance(said, Response) else JSONResponse(said)

    return endpoint


def _dropped(desk: Desk) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        content = await _body(request, MOST_BYTES)
        if content is None:
            return _refusal(f"file: must be at most {MOST_BYTES >> 20} MB", 413)
        name = unquote(request.headers.get("x-file-name", ""))
        try:
            column = await run_in_threadpool(desk.like, file=(content, name))
        except (ValueError, TypeError, OSError, AstrotlError) as error:
            return _refusal(_reason(error), 400)
        return JSONResponse({"column": column})

    return endpoint


async def _body(request: Request, most: int) -> bytes | None:
    """Take in what was sent, and no more of it than is allowed."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def _refusal(why: str, status: int) -> JSONResponse:
    return JSONResponse({"error": why}, status)


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())


def _binary(array: np.ndarray, kind: str) -> Response:
    return Response(np.ascontiguousarray(array, dtype=kind).tobytes(), media_type="application/octet-stream")


def _rows(desk: Desk, given: dict[str, Any], most: int | None = None) -> np.ndarray:
    rows = [desk.row(row) for row in given["rows"]]
    if most is not None and len(rows) > most:
        raise ValueError(f"rows: at most {most} at once, got {len(rows)}")
    return np.array(rows, dtype=np.intp)


def _order(desk: Desk, given: dict[str, Any]) -> Response:
    return _binary(
        desk.objects.order(str(given.get("sort", "")), bool(given.get("descending")), given.get("filters", ())), "<u4"
    )


def _cells(desk: Desk, given: dict[str, Any]) -> Any:
    return desk.objects.shown(_rows(desk, given, 2000), [str(name) for name in given["columns"]])


def _values(desk: Desk, given: dict[str, Any]) -> Response:
    """Give a column to colour by: how long its names are, the most frequent ones, a number for each object."""
    known = desk.objects.column(str(given["column"]))
    values, names = (known.values, []) if known.is_number else known.codes()
    head = json.dumps({"names": names[:_NAMED], "all": len(names)}).encode()
    head += b" " * (-len(head) % 4)
    body = struct.pack("<I", len(head)) + head + np.asarray(values, dtype="<f4").tobytes()
    return Response(body, media_type="application/octet-stream")


def _map(desk: Desk, given: dict[str, Any]) -> Response:
    places = desk.places.umap() if given.get("method") == "umap" else desk.places.pca()
    return Response(status_code=202) if places is None else _binary(places, "<f4")


def _pictures(desk: Desk, given: dict[str, Any]) -> Response:
    rows = _rows(desk, given, 200).tolist()
    drawn: list[bytes | None] = [None] * len(rows)
    if desk.pictures is not None:
        drawn = desk.pictures.thumbnails(rows, desk.look(given.get("look", {})), int(given.get("side", 160)))
    return Response(packed(drawn), media_type="application/octet-stream")


def _bands(desk: Desk, given: dict[str, Any]) -> Response:
    row = desk.row(given["row"])
    drawn: list[bytes | None] = [None]
    if desk.pictures is not None:
        drawn = desk.pictures.bands(row, desk.look(given.get("look", {})), int(given.get("side", 512)))
    return Response(packed(drawn), media_type="application/octet-stream")


def _object(desk: Desk, given: dict[str, Any]) -> Any:
    row = desk.row(given["row"])
    names = [known.name for known in desk.objects.columns]
    cells = desk.objects.shown(np.array([row]), names)[0]
    rows, distances = desk.neighbours(row, 12)
    return {
        "cells": dict(zip(names, cells, strict=True)),
        "neighbours": [
            {"row": int(one), "id": str(desk.objects.ids[one]), "distance": float(distance)}
            for one, distance in zip(rows, distances, strict=True)
        ],
    }


def _judge(desk: Desk, given: dict[str, Any]) -> Any:
    return {"upto": desk.judge({desk.row(row): str(label) for row, label in given["labels"]})}


def _export(desk: Desk, given: dict[str, Any]) -> Response:
    return Response(
        as_file(desk.objects.table(_rows(desk, given)), str(given["format"])), media_type="application/octet-stream"
    )


_ANSWERS: dict[str, Answer] = {
    "start": lambda desk, _given: desk.told(),
    "order": _order,
    "cells": _cells,
    "values": _values,
    "map": _map,
    "pictures": _pictures,
    "bands": _bands,
    "object": _object,
    "judge": _judge,
    "news": lambda desk, given: desk.news(int(given.get("since", 0))),
    "improve": lambda desk, _given: desk.improve(),
    "ask": lambda desk, given: {"row": desk.ask({desk.row(row) for row in given.get("passed", ())})},
    "like": lambda desk, given: {"column": desk.like(rows=_rows(desk, given, 100).tolist())},
    "near": lambda desk, given: {
        "column": desk.near(float(given["ra"]), float(given["dec"]), float(given.get("radius", 60)))
    },
    "export": _export,
}
