"""Questions asked of the feature space, each answered with a table."""

from astrotl.tasks.agn import Agn
from astrotl.tasks.anomaly import Anomaly
from astrotl.tasks.base import Column, Task
from astrotl.tasks.epochs import Epochs, filter_light_curve
from astrotl.tasks.lens import Lens
from astrotl.tasks.properties import Properties
from astrotl.tasks.retrieval import Retrieval
from astrotl.tasks.similar import Similar

__all__ = [
    "Agn",
    "Anomaly",
    "Column",
    "Epochs",
    "Lens",
    "Properties",
    "Retrieval",
    "Similar",
    "Task",
    "filter_light_curve",
]
