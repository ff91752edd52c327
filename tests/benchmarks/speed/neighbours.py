"""B: feature vectors inserted and searched, and each object's neighbours among all."""

import shutil
import time

import numpy as np

from tests.benchmarks.speed.rounds import CORES, Contender, Ratio

FULL = {"rounds": 3, "vectors": 40_000, "dim": 1280, "queries": 1000, "single": 200}
QUICK = {"rounds": 1, "vectors": 2000, "dim": 64, "queries": 100, "single": 10}
K = 10
#: What every approximate index has to find of the true neighbours; each is given the least effort that does.
RECALL = 0.99
#: Its effort is fixed when a collection is made. The first is its default, which hyrax leaves; the second finds enough.
_CHROMA = {"chromadb": 100, "chromadb, ef_search=50": 50}
_ALL = ("scikit-learn, all against all",)


def contenders(sizes):
    return [
        Contender("astrotl AnnoyIndex", "astrotl_annoy"),
        Contender("astrotl ExactIndex", "astrotl_exact"),
        *(Contender(name, "chroma", (effort,), needs=("chromadb",)) for name, effort in _CHROMA.items()),
        Contender("hnswlib", "hnsw", needs=("hnswlib",)),
        Contender("faiss HNSW", "faiss_hnsw", needs=("faiss-cpu",)),
        Contender("faiss IVF", "faiss_ivf", needs=("faiss-cpu",)),
        Contender("faiss flat", "faiss_flat", needs=("faiss-cpu",)),
        Contender("annoy alone", "plain_annoy"),
        Contender("scikit-learn brute force", "sklearn", needs=("scikit-learn",)),
        Contender("astrotl AnnoyIndex, all against all", "astrotl_all", ("AnnoyIndex",)),
        Contender("astrotl ExactIndex, all against all", "astrotl_all", ("ExactIndex",)),
        Contender(_ALL[0], "sklearn_all", needs=("scikit-learn",)),
    ]


def ratios(sizes):
    annoy = "astrotl AnnoyIndex"
    return [
        Ratio("queries/s", annoy, tuple(_CHROMA), at_least=5),
        Ratio("inserts/s", annoy, tuple(_CHROMA), at_least=5),
        Ratio("queries/s", annoy, ("hnswlib",), at_least=0.5),
        Ratio("build s", annoy, ("hnswlib",), at_most=0.25),
        Ratio("queries/s", annoy, ("scikit-learn brute force",)),
        Ratio("single queries/s", annoy, tuple(_CHROMA)),
        Ratio("objects/s", "astrotl ExactIndex, all against all", _ALL, at_least=3),
        Ratio("objects/s", "astrotl AnnoyIndex, all against all", _ALL, at_least=3),
    ]


def features(count, dim, seed):
    """Make vectors like those that a network's last layer, rectified and averaged over the image, gives of galaxies.

    Weights of latent directions fall as ``((1 + i) / 2)^-2 exp(-i / 1000)``; each feature is a mixture of all of them,
    shifted by a constant of its own (mean -0.8, spread 2), cut off below zero, and scaled (log-normal, 0.5).

    This was fitted to the features that tf_efficientnet_lite0 gives of 3,000 galaxies of `astrotl.simulate.stamps`. The
    covariance of their unit vectors has eigenvalues that at 2, 4, 8, ... 512 are 0.73, 0.24, 0.076, 0.027, 0.010,
    0.0035, 0.0012, 0.0003 and 0.00005 of the first; 65 % of the numbers are zero; the mean of the unit vectors is 0.90
    long. Of 3,000 of these vectors it is 0.66, 0.28, 0.076, 0.029, 0.008, 0.0024, 0.0008, 0.0003 and 0.00006; 62 %;
    0.93. The tenth neighbour is at 0.57 of the median distance (galaxies: 0.43), so that finding it is a little harder
    here.
    """
    fixed = np.random.default_rng(1)
    number = np.arange(1, dim + 1)
    weights = ((1 + number) / 2) ** -2.0 * np.exp(-number / 1000)
    mixture = fixed.normal(size=(dim, dim)) * np.sqrt(weights)
    mixture /= np.sqrt((mixture**2).sum(axis=1, keepdims=True))
    shift, scale = fixed.normal(-0.8, 2, size=dim), np.exp(fixed.normal(0, 0.5, size=dim))
    latent = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return np.maximum(latent @ mixture.T.astype(np.float32) + shift.astype(np.float32), 0) * scale.astype(np.float32)


def make(folder, sizes):
    """Make the vectors, queries that are not among them, and the queries' true neighbours by the angle."""
    vectors = features(sizes["vectors"], sizes["dim"], seed=2)
    queries = features(sizes["queries"], sizes["dim"], seed=3)
    likeness = _unit(queries.astype(np.float64)) @ _unit(vectors.astype(np.float64)).T
    np.save(folder / "vectors.npy", vectors)
    np.save(folder / "queries.npy", queries)
    np.save(folder / "true.npy", np.argsort(-likeness, axis=1)[:, :K])


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _given(folder, *names):
    return [np.load(folder / f"{name}.npy") for name in names]


def _timed(call, *arguments):
    started = time.perf_counter()
    answer = call(*arguments)
    return answer, time.perf_counter() - started


def _searched(folder, sizes, search, efforts=(None,)):
    """Measure a search, which takes queries and an effort, with the least effort that finds enough."""
    queries, true = _given(folder, "queries", "true")
    for effort in efforts:
        search(queries[:2], effort)
        found, seconds = _timed(search, queries, effort)
        recall = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, true, strict=True)])
        if recall >= RECALL:
            break
    _, alone = _timed(lambda: [search(query[None], effort) for query in queries[: sizes["single"]]])
    return {"queries/s": len(queries) / seconds, "single queries/s": sizes["single"] / alone, "recall": float(recall)}


def _emptied(place):
    """Make a folder, without what an earlier round left there."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def _bytes(folder):
    return sum(entry.stat().st_size for entry in folder.rglob("*") if entry.is_file()) / 1e6


def _store(folder, place):
    """Write the vectors as extract_features does, block by block."""
    from astrotl import FeatureStore

    vectors = np.load(folder / "vectors.npy", mmap_mode="r")
    store = FeatureStore.open_or_create(place / "store.h5", np.arange(len(vectors)).astype(str), vectors.shape[1], {})
    for first in range(0, len(vectors), 4096):
        store.write(np.arange(first, min(first + 4096, len(vectors))), vectors[first : first + 4096])
    return store


def astrotl_annoy(folder, sizes):
    from astrotl import AnnoyIndex

    place = _emptied(folder / "astrotl")
    store, writing = _timed(_store, folder, place)
    index, building = _timed(lambda: AnnoyIndex.build(store, jobs=CORES))
    return {
        "inserts/s": len(store) / (writing + building),
        "build s": building,
        **_searched(folder, sizes, lambda queries, _: index.query(queries, K)[0]),
        "disk MB": _bytes(place),
    }


def astrotl_exact(folder, sizes):
    from astrotl import ExactIndex

    place = _emptied(folder / "astrotl")
    store, writing = _timed(_store, folder, place)
    index = ExactIndex.build(store)
    return {
        "inserts/s": len(store) / writing,
        **_searched(folder, sizes, lambda queries, _: index.query(queries, K)[0]),
        "disk MB": _bytes(place),
    }


def chroma(folder, sizes, effort):
    """The client in the process, on disk, as hyrax uses it, filled by the largest batches that it takes."""
    import chromadb
    from chromadb.config import Settings

    (vectors,) = _given(folder, "vectors")
    place = _emptied(folder / "chroma")
    client = chromadb.PersistentClient(str(place), settings=Settings(anonymized_telemetry=False))
    settings = {"space": "cosine", "num_threads": CORES, "ef_search": effort}
    collection = client.create_collection("features", configuration={"hnsw": settings}, embedding_function=None)
    names = [str(row) for row in range(len(vectors))]
    step = client.get_max_batch_size()

    def insert():
        for first in range(0, len(vectors), step):
            collection.add(ids=names[first : first + step], embeddings=vectors[first : first + step])

    def search(queries, _):
        return np.array(collection.query(query_embeddings=queries, n_results=K, include=[])["ids"], dtype=int)

    _, building = _timed(insert)
    return {
        "inserts/s": len(vectors) / building,
        "build s": building,
        **_searched(folder, sizes, search),
        "disk MB": _bytes(place),
    }


def hnsw(folder, sizes):
    import hnswlib

    (vectors,) = _given(folder, "vectors")
    place = _emptied(folder / "hnsw")

    def build():
        index = hnswlib.Index(space="cosine", dim=vectors.shape[1])
        index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
        index.set_num_threads(CORES)
        index.add_items(vectors)
        index.save_index(str(place / "index"))
        return index

    def search(queries, effort):
        index.set_ef(effort)
        return index.knn_query(queries, k=K)[0]

    index, building = _timed(build)
    return {
        "inserts/s": len(vectors) / building,
        "build s": building,
        **_searched(folder, sizes, search, (20, 30, 40, 50, 60, 80, 100, 150, 200, 400)),
        "disk MB": _bytes(place),
    }


def faiss_hnsw(folder, sizes):
    def search(index, queries, effort):
        index.hnsw.efSearch = effort
        return index.search(queries, K)[1]

    return _faiss(folder, sizes, "HNSW32", search, (16, 24, 32, 40, 48, 64, 96, 128, 256))


def faiss_ivf(folder, sizes):
    def search(index, queries, effort):
        index.nprobe = min(effort, index.nlist)
        return index.search(queries, K)[1]

    return _faiss(
        folder,
        sizes,
        f"IVF{round(sizes['vectors'] ** 0.5)},Flat",
        search,
        (1, 2, 4, 8, 12, 16, 20, 24, 28, 32, 64, 128),
    )


def faiss_flat(folder, sizes):
    return _faiss(folder, sizes, "Flat", lambda index, queries, _: index.search(queries, K)[1], (None,))


def _faiss(folder, sizes, kind, search, efforts):
    import faiss

    faiss.omp_set_num_threads(CORES)
    vectors = _unit(np.load(folder / "vectors.npy"))
    place = _emptied(folder / "faiss")

    def build():
        index = faiss.index_factory(vectors.shape[1], kind)
        index.train(vectors)
        index.add(vectors)
        faiss.write_index(index, str(place / "index"))
        return index

    index, building = _timed(build)
    return {
        "inserts/s": len(vectors) / building,
        "build s": building,
        **_searched(folder, sizes, lambda queries, effort: search(index, _unit(queries), effort), efforts),
        "disk MB": _bytes(place),
    }


def plain_annoy(folder, sizes):
    """Annoy by itself, as astrotl used it at first: fifty trees over the whole vectors."""
    from annoy import AnnoyIndex

    (vectors,) = _given(folder, "vectors")
    place = _emptied(folder / "annoy")

    def build():
        index = AnnoyIndex(vectors.shape[1], "angular")
        for row, vector in enumerate(vectors):
            index.add_item(row, vector)
        index.build(50, n_jobs=CORES)
        index.save(str(place / "index"))
        return index

    def search(queries, effort):
        return [index.get_nns_by_vector(query, K, effort) for query in queries]

    index, building = _timed(build)
    return {
        "inserts/s": len(vectors) / building,
        "build s": building,
        **_searched(folder, sizes, search, (1000, 2000, 4000, 8000, 12_000, 16_000, 32_000)),
        "disk MB": _bytes(place),
    }


def sklearn(folder, sizes):
    search = _brute_force(folder)
    return _searched(folder, sizes, lambda queries, _: search.kneighbors(_unit(queries), return_distance=False))


def sklearn_all(folder, sizes):
    (_, rows), seconds = _timed(_brute_force(folder).kneighbors)
    return _all_against_all(folder, rows, seconds, "exact")


def _brute_force(folder):
    from sklearn.neighbors import NearestNeighbors

    # On unit vectors the order is the same, and scikit-learn's fastest search knows no angle.
    search = NearestNeighbors(n_neighbors=K, algorithm="brute", n_jobs=CORES)
    return search.fit(_unit(np.load(folder / "vectors.npy")))


def astrotl_all(folder, sizes, kind):
    import astrotl

    store = _store(folder, _emptied(folder / "astrotl"))
    index = getattr(astrotl, kind).build(store)
    (rows, _), seconds = _timed(index.neighbours, K)
    return _all_against_all(folder, rows, seconds, kind)


def _all_against_all(folder, rows, seconds, kind):
    np.save(folder / f"all-{kind}.npy", rows)
    return {"objects/s": len(rows) / seconds, "all s": seconds}


def notes(folder, results):
    truth = folder / "all-exact.npy"
    if not truth.exists():
        return []
    true = np.load(truth)
    lines = []
    for kind in ("AnnoyIndex", "ExactIndex"):
        if (folder / f"all-{kind}.npy").exists():
            found = np.load(folder / f"all-{kind}.npy")
            same = np.mean([len(np.intersect1d(a, b)) / K for a, b in zip(found, true, strict=True)])
            lines.append(f"All against all: {kind} and scikit-learn have {same:.2%} of their neighbours in common.")
    return lines
