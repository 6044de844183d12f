"""Reports: results in, one HTML page, PNG and SVG figures, JSON and tables out. No torch."""

from gan_probe.report.page import Material, TrainingRecord, write_report
from gan_probe.report.probe_page import ProbeMaterial, write_probe

__all__ = ["Material", "ProbeMaterial", "TrainingRecord", "write_probe", "write_report"]
