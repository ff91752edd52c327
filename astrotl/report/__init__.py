"""Results to send and to leaf through: one page that needs no network, and tables with pictures in a notebook."""

from astrotl.report.notebook import with_pictures
from astrotl.report.page import write_report

__all__ = ["with_pictures", "write_report"]
