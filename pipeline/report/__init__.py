"""The report page: everything a merchandiser wants to see, in one file that opens from disk.

>>> page = build_report(collect(store, catalogue))
"""

from pipeline.report.collect import collect
from pipeline.report.page import build_report
from pipeline.report.scored import ScoredPicture, collect_scored

__all__ = ["ScoredPicture", "build_report", "collect", "collect_scored"]
