"""Work on every clip of a manifest: in this process or on Ray, resumable clip by clip, with a report to look at.

work.py is what can be done with a clip; records.py keeps what became of each, by its id, so that nothing is done twice
and nothing is lost. run.py does the work, with ray_workers.py on Ray. report.py writes the page, strips.py makes its
images.
"""

from .run import Summary, run
from .work import Done, Work

__all__ = ["Done", "Summary", "Work", "run"]
