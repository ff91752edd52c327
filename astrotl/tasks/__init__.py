"""Questions asked of the feature space, each answered with a table."""

from astrotl.tasks.base import Column, Task
from astrotl.tasks.labels import align
from astrotl.tasks.similar import Similar

__all__ = ["Column", "Similar", "Task", "align"]
