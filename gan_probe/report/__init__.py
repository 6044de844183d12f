"""Reports: results in, one HTML page, PNG and SVG figures, JSON and tables out. No torch."""

from gan_probe.report.page import Material, TrainingRecord, write_report

__all__ = ["Material", "TrainingRecord", "write_report"]
