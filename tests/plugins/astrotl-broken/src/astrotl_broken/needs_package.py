"""An extractor whose network needs a package that is not there."""

import no_such_package  # noqa: F401
