"""Reports: results in; one HTML page, PNG and SVG figures, JSON and tables out. No torch."""
