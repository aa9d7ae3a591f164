"""The report as one HTML file: what was found, charts to zoom into, and all that was measured."""
