"""What the tests of figures share: reading the tiles of a panel again."""

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiles_of():
    """Read the tiles that were drawn into axes, row by row: their title, other texts, picture and frame."""

    def read(ax):
        tiles = {}
        for image in ax.images:
            left, _, bottom, _ = image.get_extent()
            tiles[round(bottom, 3), round(left, 3)] = np.asarray(image.get_array())
        frames = {}
        for patch in ax.patches:
            place = round(patch.get_y(), 3), round(patch.get_x(), 3)
            if patch.get_hatch():
                tiles[place] = None
            else:
                frames[place] = patch.get_edgecolor()
        rows = []
        for bottom in sorted({bottom for bottom, _ in tiles}, reverse=True):
            row = []
            for place in sorted(place for place in tiles if place[0] == bottom):
                texts = [text for text in ax.texts if _within(text, place, tiles)]
                title = [text.get_text() for text in texts if text.get_ha() == "center"]
                others = [text.get_text() for text in texts if text.get_ha() != "center"]
                row.append(
                    SimpleNamespace(title="".join(title), texts=others, picture=tiles[place], frame=frames.get(place))
                )
            rows.append(row)
        return rows

    def _within(text, place, tiles):
        x, y = text.get_position()
        heights = sorted({bottom for bottom, _ in tiles})
        above = [height for height in heights if height > place[0]]
        return place[1] <= x <= place[1] + 1 and place[0] <= y < (above[0] if above else np.inf)

    return read
